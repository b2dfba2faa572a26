//! A job's progress on a terminal.

use azekura::event::{Event, Feeding, FindingKind, Observer, Phase};
use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use parking_lot::{Mutex, MutexGuard};
use std::collections::HashMap;
use std::fmt::Write;
use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::output::to_stderr;
use super::text::{find, message};
use super::units::{self, count};

/// Interval between two pictures: short enough to show that the program works.
const TICK: Duration = Duration::from_millis(100);

/// Shows events as one line on standard error, if that is a terminal.
pub struct Progress {
    bar: ProgressBar,
    is_silent: bool,
    since: Instant,
    entries: AtomicU64,
    expected_entries: AtomicU64,
    /// The job has announced an amount, and nothing of it is done yet.
    is_announced: AtomicBool,
    /// How a drive is fed.
    feeding: Mutex<Option<Feeding>>,
    /// What could not be restored: how many entries, by the first name of their paths.
    lost: Mutex<HashMap<Vec<u8>, u64>>,
}

impl Progress {
    /// A silent one receives all events and shows nothing.
    pub fn new(silent: bool) -> Self {
        let shows = !silent && std::io::stderr().is_terminal();
        let target = if shows { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        if shows {
            bar.enable_steady_tick(TICK);
        }
        Self {
            bar,
            is_silent: silent,
            since: Instant::now(),
            entries: AtomicU64::new(0),
            expected_entries: AtomicU64::new(0),
            is_announced: AtomicBool::new(false),
            feeding: Mutex::default(),
            lost: Mutex::default(),
        }
    }

    fn begin(&self, phase: Phase) {
        self.entries.store(0, Relaxed);
        *self.feeding() = None;
        self.bar.reset();
        self.bar.set_prefix(name(phase));
        self.bar.set_message("");
        // An amount that was announced just before a phase belongs to that phase.
        if !self.is_announced.load(Relaxed) {
            self.expected_entries.store(0, Relaxed);
            self.bar.unset_length();
            self.bar.set_style(style("{spinner} {prefix}  {bytes_done}  {bytes_rate}  {msg}"));
        }
    }

    fn feeding(&self) -> MutexGuard<'_, Option<Feeding>> {
        self.feeding.lock()
    }

    fn lost(&self) -> MutexGuard<'_, HashMap<Vec<u8>, u64>> {
        self.lost.lock()
    }

    /// Shows that a source is done. The line says "restored" only where nothing failed.
    fn restored(&self, name: &[u8], entries: u64, bytes: u64) {
        let since = clock(self.since.elapsed().as_secs());
        let line = match self.lost().remove(first_name(name)) {
            None => {
                message!("talk.source-restored", name = name, entries = count(entries), bytes = units::bytes(bytes), time = since)
            }
            Some(failed) => {
                let restored = count(entries.saturating_sub(failed));
                message!("talk.source-ended", name = name, restored = restored, failed = count(failed), time = since)
            }
        };
        self.bar.suspend(|| to_stderr(&format!("{line}\n")));
    }

    fn show_entries(&self) {
        let (done, expected) = (self.entries.load(Relaxed), self.expected_entries.load(Relaxed));
        let of =
            if expected > 0 { format!("{}/{}", HumanCount(done), HumanCount(expected)) } else { HumanCount(done).to_string() };
        let mut text = message!("progress.entries", count = of).to_string();
        if let Some(f) = *self.feeding() {
            let rate = HumanBytes(f.bytes_per_second).to_string();
            let _ = write!(text, "  {}", message!("progress.feeding", rate = rate, buffer = f.buffer, count = f.under_runs));
            if f.nearly_full {
                let _ = write!(text, "  {}", find("progress.nearly-full"));
            }
        }
        self.bar.set_message(text);
    }
}

impl Observer for Progress {
    fn on_event(&self, event: Event) {
        if let (Event::SourceRestored { name, entries, bytes }, false) = (&event, self.is_silent) {
            self.restored(name, *entries, *bytes);
        }
        if let Event::Finding { kind: FindingKind::NotRestored | FindingKind::Refused | FindingKind::Newer, path, .. } = &event {
            *self.lost().entry(first_name(path).to_vec()).or_default() += 1;
        }
        if self.bar.is_hidden() {
            return;
        }
        match event {
            Event::Phase(phase) => self.begin(phase),
            Event::Expected { entries, bytes } => {
                self.is_announced.store(true, Relaxed);
                self.expected_entries.store(entries, Relaxed);
                self.bar.set_length(bytes);
                self.bar
                    .set_style(style("{spinner} {prefix}  [{bar:24}]  {bytes_done}/{bytes_all}  {bytes_rate}  {msg}  {left}"));
            }
            Event::Progress { entries, bytes } => {
                self.is_announced.store(false, Relaxed);
                self.entries.fetch_add(entries, Relaxed);
                self.bar.inc(bytes);
                self.show_entries();
            }
            Event::Feeding(feeding) => {
                *self.feeding() = Some(feeding);
                self.show_entries();
            }
            // The report names them all at the end.
            Event::Finding { .. } | Event::SourceRestored { .. } => {}
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner());
    style
        .progress_chars("=> ")
        .with_key("bytes_done", |s: &ProgressState, w: &mut dyn Write| {
            let _ = write!(w, "{}", HumanBytes(s.pos()));
        })
        .with_key("bytes_all", |s: &ProgressState, w: &mut dyn Write| {
            let _ = write!(w, "{}", HumanBytes(s.len().unwrap_or(0)));
        })
        .with_key("bytes_rate", |s: &ProgressState, w: &mut dyn Write| {
            let _ = write!(w, "{}/s", HumanBytes(s.per_sec() as u64));
        })
        .with_key("left", |s: &ProgressState, w: &mut dyn Write| {
            let _ = write!(w, "{}", message!("progress.left", time = clock(s.eta().as_secs())));
        })
}

fn first_name(path: &[u8]) -> &[u8] {
    path.split(|b| *b == b'/').next().unwrap_or(path)
}

/// Hours, minutes and seconds.
fn clock(seconds: u64) -> String {
    let (h, m, s) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{h}:{m:02}:{s:02}")
}

fn name(phase: Phase) -> String {
    find(match phase {
        Phase::Checking => "phase.checking",
        Phase::Reading => "phase.reading",
        Phase::ReadingBack => "phase.reading-back",
        Phase::Sealing => "phase.sealing",
        Phase::Planning => "phase.planning",
        Phase::Writing => "phase.writing",
        Phase::Copying => "phase.copying",
        Phase::Comparing => "phase.comparing",
        Phase::Finishing => "phase.finishing",
    })
}

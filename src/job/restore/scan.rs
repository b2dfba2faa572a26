//! Runs a malware scanner of the user's on what was restored.
//!
//! **Invariant:** the result is `clean` only if the scanner ended well, named nothing and passed over nothing. Whatever else
//! happens to it, the result is `found`, `skipped` or `failed`. Nothing that it does or writes keeps the restore from being reported: the output
//! that is kept has a limit, and the scanner is ended when the user wants to stop.

use crate::env::Env;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::ffi::OsString;
use std::io::{self, PipeReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Kept of the end of the output, where scanners print their summary.
const MAX_OUTPUT_BYTES: usize = 16 << 10;
/// A longer line is no finding.
const MAX_LINE_BYTES: usize = 64 << 10;
const MAX_FOUND: usize = 1_000;
/// Of the output of `--version`.
const MAX_VERSION_BYTES: usize = 200;
/// 30 seconds to print the version. The scan itself may take days.
const MAX_VERSION_POLLS: u32 = 300;
const POLL_INTERVAL: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
/// ClamAV's options for the folder of its signatures and for its settings. Without them it prints the version of
/// others.
const DATABASE_OPTIONS: [&str; 4] = ["--database", "-d", "--config-file", "-c"];

/// ClamAV passes over a file of more than 100 MB, a scan of more than 120 seconds and a folder deeper than 15 without a word.
/// These options look at all that it can look at, and name the rest. 2000 MB is the most that it takes.
///
/// Source: clamscan(1), ClamAV 1.4.
const CLAMSCAN_OPTIONS: [&str; 5] =
    ["--max-filesize=2000M", "--max-scansize=2000M", "--max-scantime=0", "--max-dir-recursion=1000", "--alert-exceeds-max=yes"];
/// How ClamAV calls what it did not look at.
const SKIPPED: &str = "Heuristics.Limits.Exceeded";

/// What a scan says about the restored files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScanResult {
    /// The scanner ended well, named nothing, and passed over nothing.
    Clean,
    /// The scanner named nothing, and has not looked at everything.
    Skipped,
    /// The scanner named something.
    Found,
    /// Nothing is known.
    Failed,
}

impl ScanResult {
    /// In JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Skipped => "skipped",
            Self::Found => "found",
            Self::Failed => "failed",
        }
    }
}

/// A file that the scanner named.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Infected {
    /// As the scanner printed it.
    pub path: Vec<u8>,
    /// What the scanner calls the malware.
    pub name: String,
}

/// A scan, and what came of it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Scan {
    /// The program and its arguments, without the folder; with the options that were added for ClamAV.
    pub command: Vec<OsString>,
    /// The scanner's name and version, as it prints them.
    pub engine: Option<String>,
    /// The number of its signatures, as it prints it.
    pub signatures: Option<String>,
    /// The date of its signatures, as it prints it.
    pub signature_date: Option<String>,
    /// `None`: it could not be started, or was ended by a signal.
    pub exit_code: Option<i32>,
    /// What all this means.
    pub result: ScanResult,
    /// The first thousand files that it named.
    pub found: Vec<Infected>,
    /// How many files it named.
    pub found_count: u64,
    /// How many files or archives it says that it has not looked at.
    pub skipped_count: u64,
    /// The last 16 KiB of its output.
    pub output: String,
    /// Why it could not be started or waited for.
    pub error: Option<String>,
    /// The user wanted to stop before the scanner was known to have ended.
    pub interrupted: bool,
}

/// A program that was started. It ends, at the latest, when this is dropped.
pub trait RunningProgram {
    /// What it prints, on standard output and standard error.
    fn output(&mut self) -> Option<&mut PipeReader>;

    /// Once it has ended, its exit code; `Some(None)`: a signal has ended it.
    fn try_wait(&mut self) -> io::Result<Option<Option<i32>>>;
}

/// What is run for a scan: the program, and its arguments.
#[derive(Debug, Clone)]
pub struct ScanCommands {
    /// As it was typed, with the options that were added for ClamAV.
    command: Vec<OsString>,
    /// Asks for the scanner's version.
    pub version: Vec<OsString>,
    /// Scans the folder.
    pub scan: Vec<OsString>,
}

impl ScanCommands {
    /// `command`: a program and its arguments, without the folder.
    pub fn new(command: &[OsString], folder: &Path) -> Self {
        let command = with_limits(command);
        let scan = command.iter().cloned().chain([folder.into()]).collect();
        Self { version: version_command(&command), scan, command }
    }
}

/// Runs the commands, of which `start` starts the version first and the scan then. Exit codes mean what ClamAV's do:
/// 0: nothing found; 1: something found; any other: the scan failed.
pub fn scan(commands: &ScanCommands, start: &mut dyn FnMut(bool) -> io::Result<Box<dyn RunningProgram>>, env: &Env) -> Scan {
    let [engine, signatures, signature_date] = start(false).map(|started| version(started, env)).unwrap_or_default();
    let mut output = ScannerOutput::default();
    let mut error = None;
    let started = start(true);
    let ended = started.and_then(|started| run(started, &mut |bytes| output.push(bytes), &|_| env.is_interrupted()));
    let exit_code = ended.unwrap_or_else(|e| {
        error = Some(e.to_string());
        None
    });
    output.end_line();
    let interrupted = env.is_interrupted();
    let result = match exit_code {
        // The key press that interrupts this run may also have made the scanner end early, with exit code 0.
        Some(0) if output.found_count == 0 && interrupted => ScanResult::Failed,
        // The exit code alone is not enough: a wrapper may lose it.
        Some(0 | 1) if output.found_count == 0 && output.skipped_count > 0 => ScanResult::Skipped,
        Some(0) if output.found_count == 0 => ScanResult::Clean,
        Some(0 | 1) => ScanResult::Found,
        _ => ScanResult::Failed,
    };
    let (found, found_count, skipped_count) = (output.found, output.found_count, output.skipped_count);
    let output = String::from_utf8_lossy(&output.end).into_owned();
    let command = commands.command.clone();
    Scan {
        command,
        engine,
        signatures,
        signature_date,
        exit_code,
        result,
        found,
        found_count,
        skipped_count,
        output,
        error,
        interrupted,
    }
}

/// The command, where it is ClamAV's with the options that were not typed.
fn with_limits(command: &[OsString]) -> Vec<OsString> {
    let Some((program, typed)) = command.split_first() else { return Vec::new() };
    let is_clamscan = Path::new(program).file_name().is_some_and(|name| name == "clamscan");
    let name_of = |option: &[u8]| option.split(|b| *b == b'=').next().unwrap_or_default().to_vec();
    let is_typed = |option: &&str| typed.iter().any(|word| name_of(word.as_bytes()) == name_of(option.as_bytes()));
    let added = CLAMSCAN_OPTIONS.iter().filter(|option| is_clamscan && !is_typed(option)).map(OsString::from);
    [program.clone()].into_iter().chain(added).chain(typed.iter().cloned()).collect()
}

fn version_command(command: &[OsString]) -> Vec<OsString> {
    let mut version: Vec<OsString> = command.first().cloned().into_iter().collect();
    let mut words = command.iter().skip(1);
    while let Some(word) = words.next() {
        let text = word.to_string_lossy();
        if DATABASE_OPTIONS.contains(&&*text) {
            version.extend([word].into_iter().chain(words.next()).cloned());
        } else if DATABASE_OPTIONS.iter().any(|o| text.strip_prefix(o).is_some_and(|rest| rest.starts_with('='))) {
            version.push(word.clone());
        }
    }
    version.push("--version".into());
    version
}

/// What the scanner says of its version: `ClamAV 1.4.3/27500/Mon Nov  3 08:47:34 2025`: engine, number of the signatures,
/// their date.
fn version(started: Box<dyn RunningProgram>, env: &Env) -> [Option<String>; 3] {
    let mut output = Vec::new();
    let mut on_output =
        |bytes: &[u8]| output.extend_from_slice(&bytes[..bytes.len().min(MAX_VERSION_BYTES.saturating_sub(output.len()))]);
    let ended = run(started, &mut on_output, &|polls| polls > MAX_VERSION_POLLS || env.is_interrupted());
    let text = String::from_utf8_lossy(&output);
    let Some(line) = text.lines().next().map(str::trim).filter(|l| !l.is_empty() && matches!(ended, Ok(Some(0)))) else {
        return [None, None, None];
    };
    let mut parts = line.splitn(3, '/').map(|p| Some(p.trim().to_owned()).filter(|p| !p.is_empty()));
    [0, 1, 2].map(|_| parts.next().flatten())
}

/// Waits for a program until it ends, or until `is_enough` says so, which is asked after each poll with the number of polls
/// so far. Returns the exit code. Processes that the program has left behind are not waited for.
fn run(
    mut started: Box<dyn RunningProgram>,
    on_output: &mut dyn FnMut(&[u8]),
    is_enough: &dyn Fn(u32) -> bool,
) -> io::Result<Option<i32>> {
    let mut polls = 0;
    loop {
        let mut is_open = false;
        if let Some(reader) = started.output() {
            is_open = !matches!(read(reader, on_output)?, PipeRead::End);
        }
        if let Some(code) = started.try_wait()? {
            let Some(reader) = started.output() else { return Ok(code) };
            // Read what is in the pipe now, and no more: a process that was left behind may write for ever.
            let mut remaining = rustix::io::ioctl_fionread(&*reader)?;
            while remaining > 0
                && let PipeRead::Bytes(n) = read(reader, on_output)?
            {
                remaining = remaining.saturating_sub(n);
            }
            return Ok(code);
        }
        if !is_open {
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        polls += 1;
        if is_enough(polls) {
            return Ok(None);
        }
    }
}

enum PipeRead {
    Bytes(u64),
    TimedOut,
    End,
}

/// Reads once from the pipe, after waiting for at most [`POLL_INTERVAL`].
fn read(reader: &mut PipeReader, on_output: &mut dyn FnMut(&[u8])) -> io::Result<PipeRead> {
    let ready = poll(&mut [PollFd::new(reader, PollFlags::IN)], Some(&POLL_INTERVAL));
    match ready {
        Ok(0) | Err(rustix::io::Errno::INTR) => return Ok(PipeRead::TimedOut),
        ready => ready.map(drop)?,
    }
    let mut buffer = [0; 32 << 10];
    match reader.read(&mut buffer)? {
        0 => Ok(PipeRead::End),
        n => {
            on_output(&buffer[..n]);
            Ok(PipeRead::Bytes(n as u64))
        }
    }
}

/// What is kept of a scanner's output while it comes.
#[derive(Default)]
struct ScannerOutput {
    /// The present line, as far as it has come.
    line: Vec<u8>,
    /// The end of the output.
    end: Vec<u8>,
    found: Vec<Infected>,
    found_count: u64,
    skipped_count: u64,
}

impl ScannerOutput {
    fn push(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|b| *b == b'\n') {
            let room = MAX_LINE_BYTES.saturating_sub(self.line.len());
            self.line.extend_from_slice(&piece[..piece.len().min(room)]);
            if piece.ends_with(b"\n") {
                self.end_line();
            }
        }
        self.end.extend_from_slice(bytes);
        let excess = self.end.len().saturating_sub(MAX_OUTPUT_BYTES);
        self.end.drain(..excess);
    }

    /// A finding is a line `PATH: NAME FOUND`.
    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        let Some(found) = line.trim_ascii_end().strip_suffix(b" FOUND") else { return };
        let at = found.windows(2).rposition(|w| w == b": ");
        let (path, name) = at.map_or((found, &b""[..]), |i| (&found[..i], &found[i + 2..]));
        if name.starts_with(SKIPPED.as_bytes()) {
            self.skipped_count += 1;
            return;
        }
        self.found_count += 1;
        if self.found.len() < MAX_FOUND {
            self.found.push(Infected { path: path.to_vec(), name: String::from_utf8_lossy(name).into_owned() });
        }
    }
}

impl Scan {
    /// The command's words as bytes, for JSON.
    pub fn words(&self) -> impl Iterator<Item = &[u8]> {
        self.command.iter().map(|w| w.as_bytes())
    }
}

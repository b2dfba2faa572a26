//! A scanner of the user's looks at what was restored.
//!
//! **Invariant:** nothing is clean but what a scanner said so of and ended well: whatever else happens to it, the result is `failed`. Nothing
//! that it does or writes stops the restore from being told: its output is kept within limits, and it is ended when the user wants to stop.

use crate::env::Env;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::ffi::{OsStr, OsString};
use std::io::{PipeReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The end of the output, where scanners sum up.
const OUTPUT_BYTES: usize = 16 << 10;
/// A longer line is no finding.
const LINE_BYTES: usize = 64 << 10;
const FOUND: usize = 1_000;
const ENGINE_BYTES: usize = 200;
/// Of naming its version; the scan itself may take days.
const VERSION_ROUNDS: u32 = 300;
const ROUND: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
/// Options that tell where ClamAV's signatures or settings are: without them it names others.
const OF_DATABASE: [&str; 4] = ["--database", "-d", "--config-file", "-c"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScanResult {
    Clean,
    Found,
    /// Not verified.
    Failed,
}

impl ScanResult {
    pub fn name(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Found => "found",
            Self::Failed => "failed",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Infected {
    pub path: Vec<u8>,
    /// What the scanner calls it.
    pub name: String,
}

#[derive(Debug, Clone)]
pub struct Scan {
    pub command: Vec<OsString>,
    /// As the scanner names itself; what it does not tell is not known.
    pub engine: Option<String>,
    pub signatures: Option<String>,
    pub signature_date: Option<String>,
    /// `None`: it could not be started, or was ended by a signal.
    pub exit_code: Option<i32>,
    pub result: ScanResult,
    /// The first thousand.
    pub found: Vec<Infected>,
    pub found_count: u64,
    /// The end of what it wrote.
    pub output: String,
    /// Why it could not be started or waited for.
    pub error: Option<String>,
    /// The user wanted to stop before it was known to have ended.
    pub interrupted: bool,
}

/// Runs `command`, a program and its arguments, with the folder as its last argument. Exit codes mean what ClamAV's do: 0 nothing found,
/// 1 something found, anything else: the scan failed.
pub fn scan(command: &[OsString], folder: &Path, env: &Env) -> Scan {
    let [engine, signatures, signature_date] = version(command, env);
    let mut lines = Lines::default();
    let mut error = None;
    let arguments: Vec<&OsStr> = command.iter().skip(1).map(OsString::as_os_str).chain([folder.as_os_str()]).collect();
    let ended = run(command, &arguments, &mut |bytes| lines.take(bytes), &|_| env.is_interrupted());
    let exit_code = ended.unwrap_or_else(|e| {
        error = Some(e.to_string());
        None
    });
    lines.end_line();
    let interrupted = env.is_interrupted();
    let result = match exit_code {
        // The same key press may have ended the scanner in order.
        Some(0) if lines.found_count == 0 && interrupted => ScanResult::Failed,
        // A wrapper may lose the exit code.
        Some(0) if lines.found_count == 0 => ScanResult::Clean,
        Some(0 | 1) => ScanResult::Found,
        _ => ScanResult::Failed,
    };
    let output = String::from_utf8_lossy(&lines.output).into_owned();
    let (found, found_count) = (lines.found, lines.found_count);
    let command = command.to_vec();
    Scan { command, engine, signatures, signature_date, exit_code, result, found, found_count, output, error, interrupted }
}

/// `ClamAV 1.4.3/27500/Mon Nov  3 08:47:34 2025`: engine, number of the signatures, their date.
fn version(command: &[OsString], env: &Env) -> [Option<String>; 3] {
    let mut arguments: Vec<&OsStr> = Vec::new();
    let mut words = command.iter().skip(1).map(OsString::as_os_str);
    while let Some(word) = words.next() {
        let text = word.to_string_lossy();
        if OF_DATABASE.contains(&&*text) {
            arguments.extend([word].into_iter().chain(words.next()));
        } else if OF_DATABASE.iter().any(|o| text.strip_prefix(o).is_some_and(|rest| rest.starts_with('='))) {
            arguments.push(word);
        }
    }
    arguments.push(OsStr::new("--version"));
    let mut output = Vec::new();
    let mut take = |bytes: &[u8]| output.extend_from_slice(&bytes[..bytes.len().min(ENGINE_BYTES.saturating_sub(output.len()))]);
    let ended = run(command, &arguments, &mut take, &|round| round > VERSION_ROUNDS || env.is_interrupted());
    let text = String::from_utf8_lossy(&output);
    let Some(line) = text.lines().next().map(str::trim).filter(|l| !l.is_empty() && matches!(ended, Ok(Some(0)))) else {
        return [None, None, None];
    };
    let mut parts = line.splitn(3, '/').map(|p| Some(p.trim().to_owned()).filter(|p| !p.is_empty()));
    [0, 1, 2].map(|_| parts.next().flatten())
}

/// Ended when it goes out of scope, whatever the reason.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a program until it ends or `is_enough` says so, which hears of every tenth of a second that nothing came; answers with its exit
/// code. Whoever it has left behind is not waited for.
fn run(
    command: &[OsString],
    arguments: &[&OsStr],
    take: &mut dyn FnMut(&[u8]),
    is_enough: &dyn Fn(u32) -> bool,
) -> std::io::Result<Option<i32>> {
    let program = command.first().map(OsString::as_os_str).unwrap_or_default();
    let (mut reader, writer) = std::io::pipe()?;
    let child = {
        let mut started = Command::new(program);
        // It has no business with the recovery key.
        started.args(arguments).env_remove("AZEKURA_IDENTITY");
        started.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
        started.spawn()?
    };
    let mut child = Running(child);
    let mut rounds = 0;
    loop {
        let ended = child.0.try_wait()?;
        let is_open = !matches!(read(&mut reader, take)?, Came::End);
        if let Some(status) = ended {
            // What it wrote last. Whoever it has left behind may go on writing for ever.
            let mut left = rustix::io::ioctl_fionread(&reader)?;
            while left > 0
                && let Came::Bytes(n) = read(&mut reader, take)?
            {
                left = left.saturating_sub(n);
            }
            return Ok(status.code());
        }
        if !is_open {
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        rounds += 1;
        if is_enough(rounds) {
            return Ok(None);
        }
    }
}

enum Came {
    Bytes(u64),
    Nothing,
    End,
}

/// Takes what comes within a tenth of a second.
fn read(reader: &mut PipeReader, take: &mut dyn FnMut(&[u8])) -> std::io::Result<Came> {
    let ready = poll(&mut [PollFd::new(reader, PollFlags::IN)], Some(&ROUND));
    match ready {
        Ok(0) | Err(rustix::io::Errno::INTR) => return Ok(Came::Nothing),
        ready => ready.map(drop)?,
    }
    let mut buffer = [0; 32 << 10];
    match reader.read(&mut buffer)? {
        0 => Ok(Came::End),
        n => {
            take(&buffer[..n]);
            Ok(Came::Bytes(n as u64))
        }
    }
}

/// A scanner's output as it comes: findings, and the end of it.
#[derive(Default)]
struct Lines {
    line: Vec<u8>,
    output: Vec<u8>,
    found: Vec<Infected>,
    found_count: u64,
}

impl Lines {
    fn take(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|b| *b == b'\n') {
            let room = LINE_BYTES.saturating_sub(self.line.len());
            self.line.extend_from_slice(&piece[..piece.len().min(room)]);
            if piece.ends_with(b"\n") {
                self.end_line();
            }
        }
        self.output.extend_from_slice(bytes);
        let excess = self.output.len().saturating_sub(OUTPUT_BYTES);
        self.output.drain(..excess);
    }

    /// `PATH: NAME FOUND`
    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        let Some(found) = line.trim_ascii_end().strip_suffix(b" FOUND") else { return };
        self.found_count += 1;
        if self.found.len() < FOUND {
            let at = found.windows(2).rposition(|w| w == b": ");
            let (path, name) = at.map_or((found, &b""[..]), |i| (&found[..i], &found[i + 2..]));
            self.found.push(Infected { path: path.to_vec(), name: String::from_utf8_lossy(name).into_owned() });
        }
    }
}

/// The command's words as bytes, for JSON.
impl Scan {
    pub fn words(&self) -> impl Iterator<Item = &[u8]> {
        self.command.iter().map(|w| w.as_bytes())
    }
}

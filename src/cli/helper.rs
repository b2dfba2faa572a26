//! Processes that do what a command in the cage cannot do any more: start one program, write one new file, add one
//! answer to a session of evidence, or remove folders that were made for nothing. Each is started before the cage is
//! entered, is this program itself, and knows by then what it may do; it gets a word when to do it.
//!
//! A helper ends when its standard input ends, so also when the command ends in whatever way.

use super::environment::{now, own_program, program_path};
use super::inherited;
use crate::cli::ui::exit::Exit;
use azekura::env::{clean_environment, look_for_programs_in};
use azekura::host::files;
use azekura::job::incident::evidence::{EvidenceError, RecordedAnswer, add};
use azekura::job::restore::scan::RunningProgram;
use azekura::user::{User, may_change};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::CapabilitySet;
use serde::{Deserialize, Serialize};
use std::ffi::{OsStr, OsString};
use std::io::{self, ErrorKind, PipeReader, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};

/// First arguments that no person types.
const RUN: &str = "@run";
const RUN_ONCE: &str = "@run-once";
const WRITE: &str = "@write";
const REMOVE: &str = "@remove-unused";
const RECORD: &str = "@record";

/// Variables that a helper gives to its program.
const VARIABLES: [&str; 5] = ["AZEKURA_MEDIUM", "AZEKURA_SET", "AZEKURA_SET_NAME", "AZEKURA_PLACE", "AZEKURA_BLANK"];
/// More than any request has.
const MAX_LINE_BYTES: usize = 256 << 10;
/// More than any answer of a command has, its pages included.
const MAX_ANSWER_BYTES: u64 = 2 << 30;
/// How long a helper waits between two looks at its program.
const INTERVAL: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };

/// What became of a request.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Answer {
    /// The program's exit code; none where a signal has ended it.
    code: Option<i32>,
    /// The system's number of the error that kept it from being done.
    errno: Option<i32>,
}

impl Answer {
    fn of(done: io::Result<Option<i32>>) -> Self {
        match done {
            Ok(code) => Self { code, errno: None },
            Err(e) => Self { code: None, errno: Some(e.raw_os_error().unwrap_or(Errno::IO.raw_os_error())) },
        }
    }

    fn into_result(self) -> io::Result<Option<i32>> {
        self.errno.map_or(Ok(self.code), |errno| Err(io::Error::from_raw_os_error(errno)))
    }
}

/// What goes into a session's record, besides the bytes of the answer and its pages, which follow in this order.
#[derive(Debug, Serialize, Deserialize)]
struct Recorded {
    command: String,
    arguments: Vec<String>,
    exit: u8,
    result_bytes: u64,
    /// Names, and bytes of each.
    pages: Vec<(String, u64)>,
}

/// A helper, as the command sees it. Dropped, it ends, and ends its program.
#[derive(Debug)]
pub struct Helper {
    child: Child,
    /// Until it is told to end.
    control: Option<ChildStdin>,
    answers: ChildStdout,
    /// What its program prints, where that is read.
    output: Option<PipeReader>,
}

impl Helper {
    /// Starts a program with its arguments each time that it is asked to. What the program prints is a message.
    pub fn for_program(words: &[String]) -> io::Result<Self> {
        Self::start(RUN, words.iter().map(OsStr::new), false)
    }

    /// Starts a program once, when it is asked to. What it prints is read.
    pub fn for_scanner(words: &[OsString]) -> io::Result<Self> {
        Self::start(RUN_ONCE, words.iter().map(OsString::as_os_str), true)
    }

    /// Writes a new file, as [`files::write_new`] does.
    pub fn for_file(path: &Path) -> io::Result<Self> {
        Self::start(WRITE, [path.as_os_str()].into_iter(), false)
    }

    /// Adds one answer to a session of evidence, as [`add`] does: nothing of the session is overwritten.
    pub fn for_session(session: &Path) -> io::Result<Self> {
        Self::start(RECORD, [session.as_os_str()].into_iter(), false)
    }

    /// Removes folders, inner ones first, as far as they are empty, unless they are to be kept.
    pub fn for_new_folders(folders: &[PathBuf]) -> io::Result<Self> {
        Self::start(REMOVE, folders.iter().map(|folder| folder.as_os_str()), false)
    }

    /// Keeps the folders.
    pub fn keep(mut self) {
        // Where it has ended already, there is nothing to keep from it.
        let _ = self.tell(b"\n");
    }

    fn start<'w>(what: &str, words: impl Iterator<Item = &'w OsStr>, reads_output: bool) -> io::Result<Self> {
        let mut command = Command::new(own_program());
        command.arg0("azekura").arg(what).args(words).stdin(Stdio::piped()).stdout(Stdio::piped());
        let output = if reads_output {
            let (reader, writer) = io::pipe()?;
            command.stderr(writer);
            Some(reader)
        } else {
            None
        };
        let mut child = command.spawn()?;
        let (control, answers) = (child.stdin.take(), child.stdout.take().ok_or(ErrorKind::BrokenPipe)?);
        Ok(Self { child, control, answers, output })
    }

    /// Asks for the program. `variables`: for its environment.
    pub fn ask(&mut self, variables: &[(&str, &[u8])]) -> io::Result<()> {
        let mut line = serde_json::to_vec(variables)?;
        line.push(b'\n');
        self.tell(&line)
    }

    /// Writes the file, and waits for it.
    pub fn write(mut self, bytes: &[u8]) -> io::Result<()> {
        self.tell(&(bytes.len() as u64).to_le_bytes())?;
        self.tell(bytes)?;
        self.answer()?.into_result().map(drop)
    }

    /// Adds the answer, and waits for it.
    pub fn record(mut self, answer: &RecordedAnswer) -> io::Result<()> {
        let pages = answer.pages.iter().map(|(name, bytes)| (name.clone(), bytes.len() as u64)).collect();
        let (command, arguments) = (answer.command.to_owned(), answer.arguments.to_vec());
        let recorded = Recorded { command, arguments, exit: answer.exit, result_bytes: answer.result.len() as u64, pages };
        let head = serde_json::to_vec(&recorded)?;
        self.tell(&(head.len() as u64).to_le_bytes())?;
        self.tell(&head)?;
        self.tell(answer.result)?;
        answer.pages.iter().try_for_each(|(_, bytes)| self.tell(bytes))?;
        self.answer()?.into_result().map(drop)
    }

    fn tell(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.control.as_mut().ok_or(ErrorKind::BrokenPipe)?.write_all(bytes)
    }

    fn answer(&mut self) -> io::Result<Answer> {
        let line = read_line(&mut self.answers)?.ok_or(ErrorKind::UnexpectedEof)?;
        Ok(serde_json::from_slice(&line)?)
    }
}

impl RunningProgram for Helper {
    fn output(&mut self) -> Option<&mut PipeReader> {
        self.output.as_mut()
    }

    fn try_wait(&mut self) -> io::Result<Option<Option<i32>>> {
        match poll(&mut [PollFd::new(&self.answers, PollFlags::IN)], Some(&Timespec::default())) {
            Ok(0) | Err(Errno::INTR) => Ok(None),
            ready => {
                ready?;
                self.answer()?.into_result().map(Some)
            }
        }
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        drop(self.control.take());
        let _ = self.child.wait();
    }
}

/// Does what a helper does, if the arguments say that this process is one.
pub fn served(arguments: &[OsString]) -> Option<ExitCode> {
    let [_, what, words @ ..] = arguments else { return None };
    let what = [RUN, RUN_ONCE, WRITE, REMOVE, RECORD].into_iter().find(|known| *known == what)?;
    inherited::put_right_for_helper();
    if let Some(path) = program_path() {
        look_for_programs_in(path);
    }
    let done = match what {
        WRITE => write(Path::new(words.first()?)),
        REMOVE => remove_unused(words),
        RECORD => record(Path::new(words.first()?)),
        _ => run(words, what == RUN_ONCE),
    };
    Some(ExitCode::from(if done.is_ok() { Exit::Good } else { Exit::Failed }.code()))
}

fn answer(answer: &Answer) -> io::Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    let mut out = io::stdout().lock();
    out.write_all(&line)?;
    out.flush()
}

/// Fails where whoever sends it has ended.
fn read_bytes(input: &mut impl Read, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.take(length).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == length { Ok(bytes) } else { Err(ErrorKind::UnexpectedEof.into()) }
}

fn read_length(input: &mut impl Read) -> io::Result<u64> {
    let mut length = [0; 8];
    input.read_exact(&mut length)?;
    Ok(u64::from_le_bytes(length))
}

/// One answer: whoever asks is in the cage, and may be taken over.
fn record(session: &Path) -> io::Result<()> {
    let mut input = io::stdin().lock();
    let length = read_length(&mut input)?;
    if length > MAX_ANSWER_BYTES {
        return Err(ErrorKind::InvalidData.into());
    }
    let asked: Recorded = serde_json::from_slice(&read_bytes(&mut input, length)?)?;
    let bytes = asked.pages.iter().fold(asked.result_bytes, |sum, (_, bytes)| sum.saturating_add(*bytes));
    let is_name = |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b));
    // A name leads to no other folder.
    if bytes > MAX_ANSWER_BYTES || !is_name(&asked.command) || !asked.pages.iter().all(|(name, _)| is_name(name)) {
        return Err(ErrorKind::InvalidData.into());
    }
    let result = read_bytes(&mut input, asked.result_bytes)?;
    let mut pages = Vec::new();
    for (name, bytes) in asked.pages {
        pages.push((name, read_bytes(&mut input, bytes)?));
    }
    let of_session =
        RecordedAnswer { command: &asked.command, arguments: &asked.arguments, exit: asked.exit, result: &result, pages: &pages };
    let added = add(session, &of_session, &now).map_err(|e| match e {
        EvidenceError::Io { source, .. } => source,
        EvidenceError::NoRecord { .. } => Errno::NOENT.into(),
        e => io::Error::other(e),
    });
    answer(&Answer::of(added.map(|()| Some(0))))
}

fn write(path: &Path) -> io::Result<()> {
    let mut input = io::stdin().lock();
    let length = read_length(&mut input)?;
    let bytes = read_bytes(&mut input, length)?;
    answer(&Answer::of(files::write_new(path, files::PRIVATE, &bytes).map(|()| Some(0))))
}

#[expect(clippy::disallowed_methods, reason = "empty folders that this run has made")]
fn remove_unused(folders: &[OsString]) -> io::Result<()> {
    if read_line(&mut Unbuffered)?.is_some() {
        return Ok(());
    }
    folders.iter().try_for_each(std::fs::remove_dir)
}

fn run(words: &[OsString], once: bool) -> io::Result<()> {
    let (program, arguments) = words.split_first().ok_or(ErrorKind::InvalidInput)?;
    while let Some(request) = read_line(&mut Unbuffered)? {
        let variables: Vec<(String, Vec<u8>)> = serde_json::from_slice(&request)?;
        let mut command = Command::new(program);
        clean_environment(&mut command).args(arguments).stdin(Stdio::null()).stdout(Stdio::from(io::stderr()));
        let known = variables.iter().filter(|(name, _)| VARIABLES.contains(&name.as_str()));
        command.envs(known.map(|(name, value)| (name, OsStr::from_bytes(value))));
        let ended = match if once { spawn_scanner(&mut command) } else { command.spawn() } {
            Ok(child) => wait(child, once)?,
            Err(e) => Err(e),
        };
        answer(&Answer::of(ended))?;
        if once {
            break;
        }
    }
    Ok(())
}

/// A scanner takes hostile files apart: where this program may choose, it is nobody, reads everything and changes nothing.
fn spawn_scanner(command: &mut Command) -> io::Result<Child> {
    if !may_change() {
        return command.spawn();
    }
    match User::nobody().spawn(command, CapabilitySet::DAC_READ_SEARCH) {
        // In a user namespace there may be nobody else.
        Err(e) if e.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => command.spawn(),
        started => started,
    }
}

/// Waits for a program. An error: nobody waits for it any more, and it was told to end; a scanner, at once.
fn wait(mut child: Child, at_once: bool) -> io::Result<io::Result<Option<i32>>> {
    let stdin = io::stdin();
    loop {
        match child.try_wait() {
            Ok(None) => {}
            Ok(Some(status)) => return Ok(Ok(status.code())),
            Err(e) => return Ok(Err(e)),
        }
        // Nothing is asked of it meanwhile: whatever is there is the end.
        if poll(&mut [PollFd::new(&stdin, PollFlags::IN)], Some(&INTERVAL)).is_ok_and(|ready| ready > 0) {
            let _ = kill_process(Pid::from_child(&child), if at_once { Signal::KILL } else { Signal::TERM });
            if at_once {
                let _ = child.wait();
            }
            return Err(ErrorKind::BrokenPipe.into());
        }
    }
}

/// Standard input, of which no byte is read ahead.
struct Unbuffered;

impl Read for Unbuffered {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::read(io::stdin(), buffer)?)
    }
}

/// A line without its end, byte by byte; `None` at the end.
fn read_line(from: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let mut byte = [0];
    loop {
        match from.read(&mut byte) {
            Ok(0) => return Ok(None),
            Ok(_) if byte == *b"\n" => return Ok(Some(line)),
            Ok(_) if line.len() == MAX_LINE_BYTES => return Err(ErrorKind::InvalidData.into()),
            Ok(_) => line.push(byte[0]),
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

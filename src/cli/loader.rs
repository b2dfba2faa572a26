//! Asks for media: a changer, a program, or a person at the terminal.

use super::config::Config;
use super::helper::Helper;
use super::library::Library;
use crate::cli::ui::explain::CommandError;
use crate::cli::ui::output::to_stderr;
use crate::cli::ui::printable::Printable;
use crate::cli::ui::text::{find, message};
use azekura::env::clean_environment;
use azekura::interruption::Interruption;
use azekura::job::restore::scan::RunningProgram;
use azekura::medium::loader::MediumRequest;
use azekura::medium::tape::drive::{Drive, DriveError};
use azekura::medium::tape::st::{StDrive, eject, is_drive};
use azekura::medium::{Loader, MediumError};
use parking_lot::Mutex;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, fstat, stat};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long standard input is waited for between two looks at whether to stop.
const POLL_INTERVAL: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
/// A new LTO-9 cartridge takes up to two hours. One that takes longer is a cleaning cartridge or defective; the driver
/// does not say which.
const LONGEST_LOADING: Duration = Duration::from_secs(3 * 60 * 60);

/// Who brings another medium to a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bringer {
    /// The configuration names it.
    Program,
    /// Somebody may answer on standard input.
    Person,
}

/// Asks for media: a changer or a program where the configuration names one, else whoever answers on standard input.
#[derive(Debug)]
pub struct Attendant {
    /// Program and arguments.
    command: Vec<String>,
    library: Option<Library>,
    interrupted: &'static AtomicBool,
    asks_nobody: AtomicBool,
    /// No other medium at the same path can be read.
    keeps_to_one: AtomicBool,
    /// Starts the program, in a process that is not in the cage.
    apart: Mutex<Option<Helper>>,
}

impl Attendant {
    pub fn new(config: &Config, interrupted: &'static AtomicBool) -> Self {
        let library = config.changer.as_ref().map(|changer| Library::new(changer.clone(), config.changer_drive, interrupted));
        Self {
            command: config.loader.clone(),
            library,
            interrupted,
            asks_nobody: AtomicBool::new(false),
            keeps_to_one: AtomicBool::new(false),
            apart: Mutex::new(None),
        }
    }

    /// From now on nobody is asked for a medium, and no changer loads one.
    pub fn ask_nobody(&self) {
        self.asks_nobody.store(true, Ordering::Relaxed);
    }

    /// From now on the program is started by a process of its own. Where that cannot be started, neither can the program.
    pub fn start_apart(&self) {
        if !self.command.is_empty() {
            *self.apart.lock() = Helper::for_program(&self.command).ok();
        }
    }

    /// From now on no other medium can be read at the path of one that is a folder.
    pub fn keep_to_one_medium(&self) {
        self.keeps_to_one.store(true, Ordering::Relaxed);
    }

    /// Who may bring another medium to a folder: a program, or a person who can answer.
    pub fn bringer(&self) -> Option<Bringer> {
        let is_null = || match (fstat(io::stdin()), stat("/dev/null")) {
            (Ok(input), Ok(null)) => FileType::from_raw_mode(input.st_mode).is_char_device() && input.st_rdev == null.st_rdev,
            _ => false,
        };
        match () {
            () if !self.command.is_empty() => Some(Bringer::Program),
            () => (!is_null()).then_some(Bringer::Person),
        }
    }

    fn ask_person(&self, path: &Path, wanted: &MediumRequest, not_brought: impl Fn() -> MediumError) -> Result<(), MediumError> {
        let (name, set, place) = (&wanted.set_name, wanted.set, wanted.place);
        let request = match wanted.blank {
            true => message!("prompt.medium.blank", place = path, name = name, set = set, number = place),
            false => message!("prompt.medium.known", place = path, name = name, set = set, number = place),
        };
        to_stderr(&format!("{request}\n{}", find("prompt.medium.enter")));
        let is_answered = self.read_line();
        to_stderr("\n");
        // At night nobody is there, and standard input is at its end.
        if is_answered { Ok(()) } else { Err(not_brought()) }
    }

    fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    /// Waits for a line on standard input. False at its end, and when the user wants to stop. Reads no byte behind the
    /// line: it is for the next question.
    fn read_line(&self) -> bool {
        let stdin = std::io::stdin();
        loop {
            if self.is_interrupted() {
                return false;
            }
            match poll(&mut [PollFd::new(&stdin, PollFlags::IN)], Some(&POLL_INTERVAL)) {
                Ok(0) | Err(Errno::INTR) => continue,
                Ok(_) => {}
                Err(_) => return false,
            }
            let mut byte = [0];
            match rustix::io::read(&stdin, &mut byte) {
                Ok(1) if byte == *b"\n" => return true,
                Ok(1) | Err(Errno::INTR | Errno::AGAIN) => {}
                Ok(_) | Err(_) => return false,
            }
        }
    }

    /// The program gets what is wanted in its environment, and exits with 0 when the medium is there.
    fn ask_program(&self, path: &Path, wanted: &MediumRequest) -> bool {
        let Some((program, arguments)) = self.command.split_first() else { return false };
        let (set, place) = (wanted.set.to_string(), wanted.place.to_string());
        let variables: [(&str, &[u8]); 5] = [
            ("AZEKURA_MEDIUM", path.as_os_str().as_bytes()),
            ("AZEKURA_SET", set.as_bytes()),
            ("AZEKURA_SET_NAME", wanted.set_name.as_bytes()),
            ("AZEKURA_PLACE", place.as_bytes()),
            ("AZEKURA_BLANK", if wanted.blank { b"1" } else { b"0" }),
        ];
        let mut apart = self.apart.lock();
        let ended = match &mut *apart {
            Some(helper) => helper.ask(&variables).and_then(|()| self.wait_for_helper(helper)),
            None => clean_environment(&mut Command::new(program))
                .args(arguments)
                .envs(variables.map(|(name, value)| (name, OsStr::from_bytes(value))))
                .stdin(Stdio::null())
                // Standard output is for the result.
                .stdout(Stdio::from(io::stderr()))
                .spawn()
                .and_then(|child| wait(child, &|| self.is_interrupted()))
                .map(|status| status.is_some_and(|s| s.success())),
        };
        if self.is_interrupted() {
            // It ends the program.
            *apart = None;
        }
        ended.unwrap_or_else(|e| {
            to_stderr(&format!("{}\n", message!("prompt.medium.program", program = program, reason = e.to_string())));
            false
        })
    }

    /// Whether the program that the helper has started succeeds. False when the user wants to stop.
    fn wait_for_helper(&self, helper: &mut Helper) -> io::Result<bool> {
        while !self.is_interrupted() {
            if let Some(code) = helper.try_wait()? {
                return Ok(code == Some(0));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(false)
    }
}

/// Waits for a program. `None`: the user wants to stop; the program was asked to end, and is not waited for.
pub fn wait(mut child: Child, is_interrupted: &dyn Fn() -> bool) -> std::io::Result<Option<ExitStatus>> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if is_interrupted() {
            let _ = kill_process(Pid::from_child(&child), Signal::TERM);
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

impl Loader for Attendant {
    fn interruption(&self) -> Interruption {
        Interruption::by(self.interrupted)
    }

    fn drive(&self, path: &Path) -> Result<Option<Box<dyn Drive>>, MediumError> {
        if !is_drive(path) {
            return Ok(None);
        }
        let mut is_announced = false;
        let since = Instant::now();
        loop {
            match StDrive::open(path) {
                Ok(drive) => return Ok(Some(Box::new(drive))),
                Err(DriveError::Loading) if since.elapsed() < LONGEST_LOADING && !self.is_interrupted() => {
                    if !is_announced {
                        to_stderr(&format!("{}\n", message!("talk.drive-loading", place = path)));
                        is_announced = true;
                    }
                    std::thread::sleep(Duration::from_millis(500));
                }
                Err(e) => return Err(e.into_medium_error(path.printable(), "opening the drive")),
            }
        }
    }

    fn goes_on(&self, place: u64, newest: u64) {
        to_stderr(&format!("{}\n", message!("talk.goes-on", number = place, newest = newest)));
    }

    fn bring(&self, path: &Path, wanted: &MediumRequest, wrong: Option<MediumError>) -> Result<(), MediumError> {
        if self.is_interrupted() {
            return Err(MediumError::Interrupted);
        }
        let is_interrupted = || self.is_interrupted();
        let not_brought = || match is_interrupted() {
            true => MediumError::Interrupted,
            false => MediumError::NotBrought { path: path.to_owned(), place: wanted.place, blank: wanted.blank },
        };
        if self.asks_nobody.load(Ordering::Relaxed) {
            return Err(not_brought());
        }
        if let Some(library) = self.library.as_ref().filter(|_| is_drive(path)) {
            let brought = library.bring(path, wanted, wrong)?;
            return brought.then_some(()).ok_or_else(not_brought);
        }
        if self.keeps_to_one.load(Ordering::Relaxed) && !is_drive(path) {
            to_stderr(&format!("{}\n", message!("prompt.medium-out-of-reach", place = path, number = wanted.place)));
            return Err(not_brought());
        }
        if let Some(wrong) = wrong {
            to_stderr(&format!("{}\n", CommandError::from(wrong).message));
        }
        if is_drive(path) {
            // Fails where the drive is empty.
            let _ = eject(path);
        }
        match self.command.is_empty() {
            true => self.ask_person(path, wanted, not_brought),
            false if self.ask_program(path, wanted) => Ok(()),
            false => Err(not_brought()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use azekura::format::object::Id;

    /// A disk that is full under a hold: no program and no person brings a blank one to a host that may be compromised.
    #[test]
    fn under_a_hold_nobody_brings_a_medium() {
        static GOES_ON: AtomicBool = AtomicBool::new(false);
        let attendant = Attendant::new(&Config { loader: vec!["true".into()], ..Config::default() }, &GOES_ON);
        let wanted = MediumRequest { set: Id([1; 16]), set_name: "clinic".into(), place: 2, blank: true };
        assert!(attendant.bring(Path::new("/mnt"), &wanted, None).is_ok());
        attendant.ask_nobody();
        let brought = attendant.bring(Path::new("/mnt"), &wanted, None);
        assert!(matches!(brought, Err(MediumError::NotBrought { blank: true, .. })), "{brought:?}");
    }
}

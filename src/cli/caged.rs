//! What each command that reads hostile bytes may still reach while it does: see [`azekura::cage`].
//!
//! Everything is opened or named here, before the first of these bytes is parsed. Of the state directory only the files are within
//! reach that such a command writes, never the keys of seals.

use super::context::Context;
use super::environment::absolute;
use super::helper::Helper;
use super::inherited;
use super::loader::Bringer;
use azekura::cage::Cage;
use azekura::host::files::{PRIVATE, create_new};
use azekura::host::ledger::Ledger;
use azekura::host::state::StateDir;
use azekura::medium::tape::mam::generic_device;
use azekura::medium::tape::st::is_drive;
use azekura::medium::{is_mounted, watch};
use azekura::pipeline::target::Target;
use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// What a command needs besides what all need.
#[derive(Debug, Default)]
pub struct Needs<'a> {
    /// A medium is read.
    pub medium: Option<&'a Path>,
    /// What was found is entered into the catalog.
    pub catalog: bool,
    /// What was found is entered into the ledger.
    pub ledger: bool,
    /// A folder is restored to; with devices?
    pub target: Option<(&'a Path, bool)>,
    /// A folder is read.
    pub folder: Option<&'a Path>,
}

/// Enters the cage. Called once in a run, when files that the user has named are open or read. Returns who removes the folders that
/// were made to restore to, unless they are used.
pub fn enter(context: &Context, needs: &Needs) -> Option<Helper> {
    let mut unused = None;
    let mut cage = system(Cage::new());
    if let Some(medium) = needs.medium {
        context.start_loader_apart();
        cage = with_medium(cage, medium, context);
    }
    if let Ok(state) = context.state_dir() {
        cage = with_state(cage, &state, needs, context);
    }
    if let Some((folder, devices)) = needs.target {
        let made = Target::prepare(folder);
        unused = (!made.is_empty()).then(|| Helper::for_new_folders(&made).ok()).flatten();
        cage = with_disk(cage.restores_to(folder, devices), folder);
    }
    if let Some(folder) = needs.folder {
        cage = cage.reads(folder);
    }
    if let Some(session) = &context.environment.session {
        // Else what is there already could be overwritten.
        cage = if context.record_apart(session) { cage } else { cage.adds_to(session) };
    }
    inherited::with_one_thread(|| cage.enter());
    unused
}

/// What the program and its libraries look up about themselves, the machine and the time of day.
fn system(cage: Cage) -> Cage {
    // The kernel may forget a folder of /proc that nobody has open, and makes another one when it is looked up again.
    static OWN: OnceLock<Option<File>> = OnceLock::new();
    OWN.get_or_init(|| File::open("/proc/self").ok());
    const READ: [&str; 9] = [
        "/proc/self",
        "/proc/meminfo",
        "/sys/class",
        "/sys/dev",
        "/sys/devices",
        "/sys/fs/cgroup",
        "/etc/localtime",
        "/usr/share/zoneinfo",
        "/run/udev/data",
    ];
    READ.iter().fold(cage, |cage, path| cage.reads(Path::new(path))).uses(Path::new("/dev/null"))
}

fn with_medium(cage: Cage, medium: &Path, context: &Context) -> Cage {
    if is_drive(medium) {
        let changer = context.config.changer.clone();
        let devices = [Some(medium.to_owned()), generic_device(medium), changer];
        return devices.iter().flatten().fold(cage, |cage, device| cage.uses(device));
    }
    let cage = with_disk(cage.reads(medium), medium);
    let (above, mounted) = others_at(medium);
    match context.bringer() {
        None => cage,
        Some(Bringer::Person) if !is_alone(&above, &mounted) => {
            context.keep_to_one_medium();
            cage
        }
        Some(_) => cage.reads(&above),
    }
}

/// Whether a folder has nothing but another folder that is in it.
fn is_alone(above: &Path, folder: &Path) -> bool {
    let is_it = |name: OsString| folder.file_name() == Some(&name);
    std::fs::read_dir(above).is_ok_and(|mut all| all.all(|entry| entry.is_ok_and(|e| is_it(e.file_name()))))
}

/// The disk itself, which is asked whether it still answers: only of a file system that is mounted just there, and not of one that has
/// other files too.
fn with_disk(cage: Cage, folder: &Path) -> Cage {
    match watch(folder, Path::new("/")).node().filter(|_| is_mounted(folder)) {
        Some(disk) => cage.reads(&disk),
        None => cage,
    }
}

/// The folder below which another medium appears when it is attached at the same path: above where this one is mounted, or where
/// one would be; and that place.
fn others_at(medium: &Path) -> (PathBuf, PathBuf) {
    let real = medium.canonicalize().unwrap_or_else(|_| absolute(medium));
    let mounted = real.ancestors().find(|at| is_mounted(at)).filter(|at| at.parent().is_some());
    let mounted = mounted.unwrap_or(&real);
    (mounted.parent().unwrap_or(Path::new("/")).to_owned(), mounted.to_owned())
}

/// Of the state directory: the ledger and the catalog as they are now. No file can be made beside them later.
fn with_state(mut cage: Cage, state: &Path, needs: &Needs, context: &Context) -> Cage {
    if needs.ledger {
        let [ledger, end] = Ledger::of(state).files();
        if ledger.exists() {
            // Where somebody has removed it, an empty one says so, too.
            let _ = create_new(&end, PRIVATE);
        }
        let holds = Ledger::of(state).holds_file();
        if ledger.exists() {
            // A medium may have an alarm that this host does not know.
            let _ = create_new(&holds, PRIVATE);
        }
        cage = cage.uses(&ledger).uses(&end).uses(&holds);
    }
    if needs.catalog {
        context.keep_catalog_open();
        let files = StateDir::catalog_files(state);
        let [catalog, log, _, journal] = &files;
        if catalog.exists() && !log.exists() {
            // Where SQLite has no write-ahead log it makes a journal with the first change, and empties it afterwards.
            let _ = create_new(journal, PRIVATE);
        }
        cage = files.iter().fold(cage, |cage, file| cage.uses(file));
    }
    cage
}

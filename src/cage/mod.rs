//! The cage: what a process can still do once it reads what may be hostile.
//!
//! Two of the kernel's means, as far as it has them. With Landlock, files and folders can be opened, made and removed only where
//! the command has said so before. With seccomp, no program can be started, no socket made, nothing mounted, and no other process
//! looked into (`filter.rs` has the list). Neither can be left again, and every thread and process that is started later is in it.
//!
//! **Invariant:** a process enters while it has one thread, before the first byte of a medium, proof or session is parsed: Landlock
//! holds the calling thread and those that it starts later, and threads share their memory.
//!
//! **Invariant:** what is missing in the kernel ends no command. A restore on an old PC has no cage, and still restores.

mod filter;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, LandlockStatus, PathBeneath, PathFd, RestrictionStatus,
    Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};
use rustix::fs::{FileType, fstat};
use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

/// The newest version of Landlock that this file knows the rights of. Older kernels enforce those that they know.
const NEWEST: ABI = ABI::V7;

/// What was entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Walls {
    /// The version of the kernel's Landlock; `None`: it has none, it is switched off, or it is too old for this.
    pub landlock: Option<u32>,
    /// The filter of system calls is active.
    pub seccomp: bool,
}

/// A cage that is prepared: what may still be opened within it. Paths are looked up, and links followed, when they are named; what
/// is not there is not allowed later.
#[derive(Debug, Default)]
pub struct Cage {
    rules: Vec<(PathFd, BitFlags<AccessFs>)>,
    /// Entries are made, with their owners, modes and attributes.
    restores: bool,
}

impl Cage {
    /// One in which no file can be opened.
    pub fn new() -> Self {
        Self::default()
    }

    /// Allows reading a file, or everything below a folder.
    #[must_use]
    pub fn reads(self, path: &Path) -> Self {
        self.allow(path, AccessFs::ReadFile | AccessFs::ReadDir)
    }

    /// Allows reading, writing and controlling one file or device that exists.
    #[must_use]
    pub fn uses(self, path: &Path) -> Self {
        self.allow(path, AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::Truncate | AccessFs::IoctlDev)
    }

    /// Allows making files and folders below a folder, and appending to those that exist.
    #[must_use]
    pub fn adds_to(self, folder: &Path) -> Self {
        let add = AccessFs::WriteFile | AccessFs::MakeReg | AccessFs::MakeDir;
        self.allow(folder, AccessFs::ReadFile | AccessFs::ReadDir | add)
    }

    /// Allows whatever a restore does below a folder. `devices`: also making devices.
    #[must_use]
    pub fn restores_to(mut self, folder: &Path, devices: bool) -> Self {
        let read = AccessFs::ReadFile | AccessFs::ReadDir;
        let write = AccessFs::WriteFile | AccessFs::Truncate | AccessFs::RemoveFile | AccessFs::Refer;
        let make = AccessFs::MakeReg | AccessFs::MakeDir | AccessFs::MakeSym | AccessFs::MakeFifo | AccessFs::MakeSock;
        let device = if devices { AccessFs::MakeChar | AccessFs::MakeBlock } else { BitFlags::EMPTY };
        self.restores = true;
        self.allow(folder, read | write | make | device)
    }

    fn allow(mut self, path: &Path, access: BitFlags<AccessFs>) -> Self {
        if let Ok(fd) = PathFd::new(path) {
            let is_folder = fstat(&fd).is_ok_and(|s| FileType::from_raw_mode(s.st_mode).is_dir());
            let access =
                if is_folder { access & !BitFlags::from(AccessFs::IoctlDev) } else { access & AccessFs::from_file(NEWEST) };
            self.rules.push((fd, access));
        }
        self
    }

    /// Enters. There is no way back.
    pub fn enter(self) -> Walls {
        let changes_attributes = self.restores;
        Walls { landlock: self.enter_landlock(), seccomp: filter::enter(changes_attributes, filter::Reach::Process) }
    }

    fn enter_landlock(self) -> Option<u32> {
        // The first version refuses every link to another folder, whatever is allowed: hard links could not be restored.
        let needed = if self.restores { AccessFs::Refer } else { AccessFs::ReadFile };
        has(needed).then(|| self.restrict().ok()).flatten().and_then(|status| version(&status))
    }

    fn restrict(self) -> Result<RestrictionStatus, RulesetError> {
        let ruleset = Ruleset::default()
            .handle_access(AccessFs::from_all(NEWEST))?
            .handle_access(AccessNet::from_all(NEWEST))?
            .scope(Scope::from_all(NEWEST))?;
        let mut created = ruleset.create()?;
        for (fd, access) in self.rules {
            created = created.add_rule(PathBeneath::new(fd, access))?;
        }
        created.restrict_self()
    }
}

/// Whether the kernel's Landlock knows this right.
fn has(right: AccessFs) -> bool {
    let asked = Ruleset::default().set_compatibility(CompatLevel::HardRequirement).handle_access(right);
    asked.and_then(|ruleset| ruleset.create()).is_ok()
}

fn version(status: &RestrictionStatus) -> Option<u32> {
    match status {
        RestrictionStatus { ruleset: RulesetStatus::NotEnforced, .. } => None,
        RestrictionStatus { landlock: LandlockStatus::Available { effective_abi, kernel_abi }, .. } => {
            kernel_abi.unwrap_or(*effective_abi as i32).try_into().ok()
        }
        _ => None,
    }
}

/// What a command would enter on this kernel. It is tried, by a thread that ends then: what does not refuse a call does not count.
pub fn tried() -> Walls {
    let thread = std::thread::Builder::new().spawn(|| {
        let landlock = Cage::new().enter_landlock();
        let is_refused = |e: std::io::Error| e.kind() == ErrorKind::PermissionDenied;
        let opens = File::open("/").is_err_and(is_refused);
        let seccomp = filter::enter(false, filter::Reach::Thread) && filter::is_active();
        Walls { landlock: landlock.filter(|_| opens), seccomp }
    });
    thread.ok().and_then(|t| t.join().ok()).unwrap_or_default()
}

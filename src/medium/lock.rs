//! One writer at a time: a lock on a set's folder.
//!
//! The folder itself is locked: a lock file could not be removed from a medium.

use super::MediumError;
use crate::lock::FileLock;
use crate::trust;
use rustix::fd::AsFd;
use rustix::fs::{Mode, OFlags, fstat, major, minor, openat};
use std::fs::File;
use std::io;
use std::path::Path;

/// Where root's processes lock what another user keeps locked on the medium. Only root can open what is in it.
const ROOTS_LOCKS: &str = "/run/azekura";

/// Locks the folder that `folder` is open on. `path` is for messages.
///
/// On a file system without modes every user can lock the folder. Root passes over their locks: it locks a file of its
/// own instead, which every later lock of root's looks for.
pub(super) fn lock(folder: impl AsFd, path: &Path) -> Result<FileLock, MediumError> {
    lock_with(folder, path, Path::new(ROOTS_LOCKS), rustix::process::geteuid().is_root())
}

fn lock_with(folder: impl AsFd, path: &Path, roots_locks: &Path, is_root: bool) -> Result<FileLock, MediumError> {
    let failed = |what| move |source: io::Error| MediumError::Io { medium: path.display().to_string(), what, source };
    let busy = |pid| MediumError::Busy { path: path.to_owned(), pid };
    // Opened anew: two locks through one open file would not exclude each other.
    let own = openat(folder, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
    let own = own.map_err(|e| failed("opening the folder to lock it")(e.into()))?;
    let acquire = |file| FileLock::acquire(file).map_err(failed("locking the folder"));
    let own = match acquire(File::from(own))? {
        Ok(lock) if is_root => {
            let passed_over = roots_lock(&*lock, roots_locks, OFlags::empty());
            return match passed_over.ok().and_then(|file| FileLock::acquire(file).ok()) {
                Some(Err(_)) => Err(busy(None)),
                _ => Ok(lock),
            };
        }
        Ok(lock) => return Ok(lock),
        Err(own) if is_root && are_others(&holders(&own)) => own,
        Err(own) => return Err(busy(holders(&own).first().copied())),
    };
    let Ok(file) = roots_lock(&own, roots_locks, OFlags::CREATE) else { return Err(busy(holders(&own).first().copied())) };
    let Ok(roots) = acquire(file)? else { return Err(busy(None)) };
    // Looked at again: another process of root's may have locked the folder before it could see this lock.
    match acquire(own)? {
        Ok(lock) => Ok(lock),
        Err(own) if are_others(&holders(&own)) => Ok(roots),
        Err(own) => Err(busy(holders(&own).first().copied())),
    }
}

/// The file that stands for the folder in root's own folder.
fn roots_lock(folder: impl AsFd, roots_locks: &Path, more: OFlags) -> io::Result<File> {
    let stat = fstat(folder)?;
    if !more.contains(OFlags::CREATE) && !roots_locks.exists() {
        return Err(io::ErrorKind::NotFound.into());
    }
    let within = trust::open_folder(roots_locks).map_err(|_| io::ErrorKind::PermissionDenied)?;
    let name = format!("{:x}-{:x}.lock", stat.st_dev, stat.st_ino);
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC | more;
    Ok(File::from(openat(within, name, flags, Mode::RUSR | Mode::WUSR)?))
}

/// Whether there are such processes, and none is root's.
fn are_others(processes: &[u32]) -> bool {
    // The user who started it, not the one whose rights it has. A process that is gone was none of ours: those unlock.
    let user = |process: &u32| {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        status.lines().find_map(|line| line.strip_prefix("Uid:"))?.split_whitespace().next()?.parse::<u32>().ok()
    };
    !processes.is_empty() && processes.iter().all(|process| user(process) != Some(0))
}

/// The processes that have locked a folder, from the kernel's list. Empty if none is listed (another PID namespace, or
/// released just now) or if the file system shows other device numbers there than `stat(2)` does (btrfs).
fn holders(folder: impl AsFd) -> Vec<u32> {
    let Ok(stat) = fstat(folder) else { return Vec::new() };
    let file = format!("{:02x}:{:02x}:{}", major(stat.st_dev), minor(stat.st_dev), stat.st_ino);
    std::fs::read_to_string("/proc/locks").map_or_else(|_| Vec::new(), |table| listed_holders(&table, &file))
}

/// Lines are `1: FLOCK  ADVISORY  WRITE 1234 fe:00:5678 0 EOF`; `2: -> FLOCK` waits.
fn listed_holders(table: &str, file: &str) -> Vec<u32> {
    let holder = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        match fields[..] {
            [_, "FLOCK", _, _, pid, at, ..] if at == file => pid.parse().ok().filter(|p| *p > 0),
            _ => None,
        }
    };
    table.lines().filter_map(holder).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::{is_root, skipped};

    #[test]
    fn a_program_started_meanwhile_does_not_keep_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        let folder = File::open(dir.path()).unwrap();
        let guard = lock(&folder, dir.path()).unwrap();
        // What the program has between fork and exec.
        let _copy = guard.try_clone().unwrap();
        drop(guard);
        lock(&folder, dir.path()).unwrap();
    }

    #[test]
    fn finds_the_holder_in_the_kernels_list() {
        let table = "1: POSIX  ADVISORY  WRITE 7 fe:00:42 0 EOF\n\
                     2: FLOCK  ADVISORY  WRITE 1234 fe:00:42 0 EOF\n\
                     2: -> FLOCK  ADVISORY  WRITE 99 fe:00:42 0 EOF\n\
                     3: FLOCK  ADVISORY  WRITE 0 fe:00:43 0 EOF\n\
                     4: FLOCK  ADVISORY  READ 1235 fe:00:42 0 EOF\n";
        assert_eq!(listed_holders(table, "fe:00:42"), [1234, 1235]);
        assert_eq!(listed_holders(table, "fe:00:43"), [0; 0]);
        assert_eq!(listed_holders(table, "fe:00:44"), [0; 0]);
    }

    /// A USB disk without modes, and a user who wants no backup to be made.
    #[test]
    fn another_users_lock_does_not_keep_root_out() {
        use std::os::unix::process::CommandExt;
        if !is_root() {
            return skipped("a lock of another user: this is not root");
        }
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let (folder, locks) = (File::open(dir.path()).unwrap(), dir.path().join("locks"));
        let locked_by = |uid: u32, how: &str| {
            let mut flock = std::process::Command::new("flock");
            let mut child = flock.arg(how).arg(dir.path()).args(["sleep", "60"]).uid(uid).spawn().unwrap();
            while !holders(&folder).contains(&child.id()) {
                assert!(child.try_wait().unwrap().is_none(), "flock has ended");
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            child
        };
        let end = |mut child: std::process::Child| {
            // `flock` waits for the program, which has the descriptor too.
            let children = format!("/proc/{0}/task/{0}/children", child.id());
            let sleep = std::fs::read_to_string(children).ok().and_then(|c| c.trim().parse().ok());
            for pid in [sleep, Some(child.id() as i32)].into_iter().flatten().filter_map(rustix::process::Pid::from_raw) {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
            child.wait().unwrap();
        };
        for how in ["-s", "-x"] {
            let theirs = locked_by(65_534, how);
            let guard = lock_with(&folder, dir.path(), &locks, true).unwrap();
            // Another run, while the user has the lock and when it is gone.
            assert!(matches!(lock_with(&folder, dir.path(), &locks, true), Err(MediumError::Busy { .. })));
            assert!(matches!(lock_with(&folder, dir.path(), &locks, false), Err(MediumError::Busy { pid: Some(_), .. })));
            end(theirs);
            assert!(matches!(lock_with(&folder, dir.path(), &locks, true), Err(MediumError::Busy { .. })));
            drop(guard);
            drop(lock_with(&folder, dir.path(), &locks, true).unwrap());
        }
        let ours = locked_by(0, "-s");
        let pid = ours.id();
        let busy = lock_with(&folder, dir.path(), &locks, true);
        assert!(matches!(busy, Err(MediumError::Busy { pid: Some(p), .. }) if p == pid), "{busy:?}");
        end(ours);
    }
}

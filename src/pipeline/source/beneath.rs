//! Opens paths strictly beneath a folder.
//!
//! **Invariant:** no call here follows a symbolic link or leaves the folder, whatever happens to the tree meanwhile.

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::{self, Errno};
use std::sync::Arc;

/// The kernel accepts 4,096 bytes with the closing NUL (`PATH_MAX`); longer paths are opened in several steps.
pub const STEP_BYTES: usize = 4_095;

/// Flags to open a folder only to open or create something in it.
pub const FOLDER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY);

const RESOLVE: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);

/// Opens paths beneath one folder.
pub struct Beneath {
    root: Arc<OwnedFd>,
    openat2: bool,
}

impl Beneath {
    /// Opens paths beneath the directory `root`.
    pub fn new(root: OwnedFd) -> Self {
        // Tried once: Linux before 5.6 answers ENOSYS, some system call filters EPERM.
        let openat2 = openat2(&root, c".", FOLDER | OFlags::CLOEXEC, Mode::empty(), RESOLVE).is_ok();
        Self { root: Arc::new(root), openat2 }
    }

    /// The same without `openat2`.
    #[cfg(test)]
    pub fn stepwise(root: OwnedFd) -> Self {
        Self { root: Arc::new(root), openat2: false }
    }

    /// The folder itself.
    pub fn root(&self) -> &Arc<OwnedFd> {
        &self.root
    }

    /// Opens `path`, of any length, relative to the root. `O_NOFOLLOW` and `O_CLOEXEC` are added to `flags`.
    ///
    /// Errors: `ELOOP` for a symbolic link on the way or at the end, `ENOTDIR` for anything else that is no folder on the way.
    pub fn open(&self, path: &[u8], flags: OFlags) -> io::Result<OwnedFd> {
        let (mut folder, mut rest) = (None::<OwnedFd>, path);
        while rest.len() > STEP_BYTES {
            let cut = first_step(rest).ok_or(Errno::NAMETOOLONG)?;
            let from = folder.as_ref().map_or(self.root.as_fd(), AsFd::as_fd);
            folder = Some(self.step(from, &rest[..cut], FOLDER)?);
            rest = &rest[cut + 1..];
        }
        self.step(folder.as_ref().map_or(self.root.as_fd(), AsFd::as_fd), rest, flags)
    }

    /// Opens `path` of at most [`STEP_BYTES`] relative to `folder`, which MUST be beneath the root.
    pub fn step(&self, folder: BorrowedFd, path: &[u8], flags: OFlags) -> io::Result<OwnedFd> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        if self.openat2 {
            return openat2(folder, path, flags, Mode::empty(), RESOLVE);
        }
        let mut at = None::<OwnedFd>;
        let mut rest = path;
        while let Some(cut) = rest.iter().position(|b| *b == b'/') {
            let from = at.as_ref().map_or(folder, AsFd::as_fd);
            let way = FOLDER | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            at = Some(openat(from, plain(&rest[..cut])?, way, Mode::empty())?);
            rest = &rest[cut + 1..];
        }
        let last = if path == b"." { path } else { plain(rest)? };
        openat(at.as_ref().map_or(folder, AsFd::as_fd), last, flags, Mode::empty())
    }
}

/// Refuses names by which `openat` alone would leave the folder.
fn plain(name: &[u8]) -> io::Result<&[u8]> {
    if name.is_empty() || name == b"." || name == b".." { Err(Errno::XDEV) } else { Ok(name) }
}

/// Where to cut a path that is too long for one call: the last `/` with at most [`STEP_BYTES`] before it.
fn first_step(path: &[u8]) -> Option<usize> {
    path[..=STEP_BYTES].iter().rposition(|b| *b == b'/').filter(|cut| *cut > 0)
}

/// Where the last step of `path` begins; `None` if one step is enough. Paths with a common beginning are cut at the same
/// places, so a folder that was opened for one of them serves the others.
pub fn last_cut(path: &[u8]) -> Option<usize> {
    let (mut start, mut last) = (0, None);
    while path.len() - start > STEP_BYTES {
        let cut = start + first_step(&path[start..])?;
        last = Some(cut);
        start = cut + 1;
    }
    last
}

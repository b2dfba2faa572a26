//! What only root may change. Whoever may write to a folder can put something else in the place of anything in it: a
//! program that runs as root works only below folders in which nobody else can do that.

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Mode, OFlags, Stat, fstat, mkdirat, openat, readlinkat};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::sync::OnceLock;

const OTHERS_WRITE: u32 = 0o022;
const STICKY: u32 = 0o1000;
/// As many as the kernel follows.
const MAX_LINKS: usize = 40;

/// Why a folder is not used.
#[derive(Debug)]
pub enum Untrusted {
    /// Another user owns this folder or link on the way, or may write to it.
    Others(PathBuf),
    /// It cannot be opened or made.
    Io(Errno),
}

/// Whether nobody but root may change a file, or what is in a folder.
pub fn is_roots(uid: u32, mode: u32) -> bool {
    is_root(uid) && mode & OTHERS_WRITE == 0
}

/// In a user namespace the host's root has no number and is shown as nobody, and so is everybody else without one.
fn is_root(uid: u32) -> bool {
    const NOBODY: u32 = 65_534;
    static LACKS_ROOT: OnceLock<bool> = OnceLock::new();
    let lacks_root = || {
        let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
        !map.is_empty() && map.split_whitespace().ne(["0", "0", "4294967295"])
    };
    uid == 0 || uid == NOBODY && *LACKS_ROOT.get_or_init(lacks_root)
}

/// Whether nobody but root may rename or remove what root has in a folder: `/tmp` is one.
fn keeps_names(uid: u32, mode: u32) -> bool {
    is_roots(uid, mode) || is_root(uid) && mode & STICKY != 0
}

/// Opens a folder below which only root can change anything, name by name from `/`. Folders that are missing are made,
/// with mode 0700. Links on the way are followed if they are root's.
pub fn open_folder(path: &Path) -> Result<OwnedFd, Untrusted> {
    let (_, folder) = walk(path, make)?;
    // Opened for listing; what is walked here is only a handle.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    openat(&folder, c".", flags, Mode::empty()).map_err(Untrusted::Io)
}

/// Opens a plain file for reading that only root can change, in a folder where only root can put another one in its
/// place. What is looked at is what is opened.
pub fn open_file(path: &Path) -> Result<File, Untrusted> {
    let (above, _) = walk(path, |_, _| Err(Errno::NOENT))?;
    let Some((folder, name, at)) = above else { return Err(Untrusted::Io(Errno::ISDIR)) };
    // A pipe is not waited for.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = openat(&folder, &name, flags, Mode::empty()).map_err(Untrusted::Io)?;
    let stat = fstat(&file).map_err(Untrusted::Io)?;
    let (uid, mode) = owner_and_mode(&stat);
    match rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file() {
        _ if !is_roots(uid, mode) => Err(Untrusted::Others(at)),
        true => Ok(file.into()),
        false => Err(Untrusted::Io(Errno::INVAL)),
    }
}

/// The folder that a name is in, the name, and its path without links.
type Above = (OwnedFd, OsString, PathBuf);

/// Goes to a file or folder, and returns a handle of it and the folder above, of everything but `/`. `make` is called
/// for what is missing.
fn walk(path: &Path, make: impl Fn(&OwnedFd, &OsStr) -> Result<OwnedFd, Errno>) -> Result<(Option<Above>, OwnedFd), Untrusted> {
    let path = std::path::absolute(path).map_err(|e| Untrusted::Io(Errno::from_io_error(&e).unwrap_or(Errno::INVAL)))?;
    let mut rest = names(&path);
    let (mut at, mut folder) = (PathBuf::from("/"), open_root()?);
    let mut above = None;
    let mut links = 0;
    while let Some(name) = rest.pop_front() {
        let next = match step(&folder, &name) {
            Err(Errno::NOENT) => make(&folder, &name),
            opened => opened,
        };
        let next = next.map_err(Untrusted::Io)?;
        let stat = fstat(&next).map_err(Untrusted::Io)?;
        let (uid, mode) = owner_and_mode(&stat);
        let is_link = rustix::fs::FileType::from_raw_mode(stat.st_mode).is_symlink();
        let here = if name == ".." { at.parent().unwrap_or(&at).to_owned() } else { at.join(&name) };
        if !is_link {
            let is_last = rest.is_empty();
            if !(if is_last { is_roots(uid, mode) } else { keeps_names(uid, mode) }) {
                return Err(Untrusted::Others(here));
            }
            above = Some((std::mem::replace(&mut folder, next), name, here.clone()));
            at = here;
            continue;
        }
        links += 1;
        if !is_root(uid) {
            return Err(Untrusted::Others(here));
        }
        if links > MAX_LINKS {
            return Err(Untrusted::Io(Errno::LOOP));
        }
        let to = readlinkat(&next, c"", Vec::new()).map_err(Untrusted::Io)?;
        let to = Path::new(OsStr::from_bytes(to.to_bytes()));
        if to.is_absolute() {
            (at, folder, above) = (PathBuf::from("/"), open_root()?, None);
        }
        let mut led = names(to);
        led.append(&mut rest);
        rest = led;
    }
    Ok((above, folder))
}

/// The path without links. Links on the way count if they are root's or of the user who runs this program: whoever may
/// replace another one decides what is read here.
pub fn resolve(path: &Path) -> Result<PathBuf, Untrusted> {
    let io = |e: std::io::Error| Untrusted::Io(Errno::from_io_error(&e).unwrap_or(Errno::INVAL));
    let own = rustix::process::geteuid().as_raw();
    let mut rest = names(&std::path::absolute(path).map_err(io)?);
    let (mut at, mut links) = (PathBuf::from("/"), 0);
    while let Some(name) = rest.pop_front() {
        if name == ".." {
            at.pop();
            continue;
        }
        let here = at.join(&name);
        let found = here.symlink_metadata().map_err(io)?;
        if !found.is_symlink() {
            at = here;
            continue;
        }
        links += 1;
        if found.uid() != own && !is_root(found.uid()) {
            return Err(Untrusted::Others(here));
        }
        if links > MAX_LINKS {
            return Err(Untrusted::Io(Errno::LOOP));
        }
        let to = std::fs::read_link(&here).map_err(io)?;
        if to.is_absolute() {
            at = PathBuf::from("/");
        }
        let mut led = names(&to);
        led.append(&mut rest);
        rest = led;
    }
    Ok(at)
}

/// Fails with the file or folder that others than root may change, so that they could put something else in a file's place
/// or into it. Nothing is said of what is not there.
pub fn check_file(path: &Path) -> Result<(), PathBuf> {
    let real = match resolve(path) {
        Ok(real) => real,
        Err(Untrusted::Others(link)) => return Err(link),
        Err(Untrusted::Io(_)) => return Ok(()),
    };
    for (i, at) in real.ancestors().enumerate() {
        let Ok(m) = at.symlink_metadata() else { return Ok(()) };
        if !(if i == 0 { is_roots(m.uid(), m.mode()) } else { keeps_names(m.uid(), m.mode()) }) {
            return Err(at.to_owned());
        }
    }
    Ok(())
}

/// Fails with the folder that others than root and `owner` may change: a folder of theirs, or one above it in which
/// they could put another in its place. Of what is not there, it is the folder in which it would be made.
pub fn check_folder(path: &Path, owner: u32) -> Result<(), PathBuf> {
    let Ok(path) = std::path::absolute(path) else { return Ok(()) };
    let mut is_there = true;
    for path in path.ancestors() {
        let real = match resolve(path) {
            Ok(real) => real,
            Err(Untrusted::Others(link)) => return Err(link),
            Err(Untrusted::Io(_)) => {
                is_there = false;
                continue;
            }
        };
        for (i, at) in real.ancestors().enumerate() {
            let Ok(m) = at.symlink_metadata() else { continue };
            let only_owner = |mode: u32| mode & OTHERS_WRITE == 0 || mode & STICKY != 0 && !(i == 0 && is_there);
            if !((is_root(m.uid()) || m.uid() == owner) && only_owner(m.mode())) {
                return Err(at.to_owned());
            }
        }
        return Ok(());
    }
    Ok(())
}

fn open_root() -> Result<OwnedFd, Untrusted> {
    let root = openat(rustix::fs::CWD, c"/", OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).map_err(Untrusted::Io)?;
    let stat = fstat(&root).map_err(Untrusted::Io)?;
    let (uid, mode) = owner_and_mode(&stat);
    if keeps_names(uid, mode) { Ok(root) } else { Err(Untrusted::Others("/".into())) }
}

/// A handle of the entry itself, also of a link.
fn step(folder: impl AsFd, name: &OsStr) -> Result<OwnedFd, Errno> {
    openat(folder, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
}

fn make(folder: &OwnedFd, name: &OsStr) -> Result<OwnedFd, Errno> {
    match mkdirat(folder, name, Mode::RWXU) {
        // Whoever has made it meanwhile, its owner and mode are looked at.
        Ok(()) | Err(Errno::EXIST) => step(folder, name),
        Err(e) => Err(e),
    }
}

fn names(path: &Path) -> VecDeque<OsString> {
    let name = |c: Component| match c {
        Component::Normal(name) => Some(OsString::from_vec(name.as_bytes().to_vec())),
        Component::ParentDir => Some("..".into()),
        _ => None,
    };
    path.components().filter_map(name).collect()
}

#[allow(clippy::unnecessary_cast, reason = "the fields' types differ from one processor to the next")]
fn owner_and_mode(stat: &Stat) -> (u32, u32) {
    (stat.st_uid as u32, stat.st_mode as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::{is_root, skipped};
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};

    /// The path that is refused, below `dir`.
    fn refused(dir: &Path, below: &str) -> Option<PathBuf> {
        match open_folder(&dir.join(below)) {
            Err(Untrusted::Others(path)) => Some(path.strip_prefix(dir).unwrap_or(&path).to_owned()),
            opened => opened.map(|_| None).unwrap(),
        }
    }

    #[test]
    fn every_folder_on_the_way_is_roots() {
        if !is_root() {
            return skipped("folders that only root may change: this is not root");
        }
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let make = |name: &str, uid, mode| {
            fs::create_dir(dir.join(name)).unwrap();
            chown(dir.join(name), Some(uid), Some(0)).unwrap();
            fs::set_permissions(dir.join(name), Permissions::from_mode(mode)).unwrap();
        };
        for (name, uid, mode) in
            [("roots", 0, 0o755), ("theirs", 7, 0o700), ("groups", 0, 0o770), ("all", 0, 0o777), ("sticky", 0o0, 0o1777)]
        {
            make(name, uid, mode);
        }
        assert_eq!(refused(dir, "roots"), None);
        assert_eq!(refused(dir, "roots/new/newer"), None);
        assert_eq!(fs::metadata(dir.join("roots/new")).unwrap().permissions().mode() & 0o7777, 0o700);
        assert_eq!(refused(dir, "sticky/new"), None);
        assert_eq!(refused(dir, "sticky"), Some("sticky".into()));
        for name in ["theirs", "groups", "all"] {
            assert_eq!(refused(dir, name), Some(name.into()));
            assert_eq!(refused(dir, &format!("{name}/new")), Some(name.into()));
            assert!(!dir.join(name).join("new").exists());
        }
        symlink("../roots/new", dir.join("sticky/link")).unwrap();
        assert_eq!(refused(dir, "sticky/link/below/.."), None);
        lchown(dir.join("sticky/link"), Some(7), None).unwrap();
        assert_eq!(refused(dir, "sticky/link/below"), Some("sticky/link".into()));
        assert!(matches!(resolve(&dir.join("sticky/link/..")), Err(Untrusted::Others(link)) if link == dir.join("sticky/link")));
        lchown(dir.join("sticky/link"), Some(0), None).unwrap();
        assert_eq!(resolve(&dir.join("sticky/link/../new/..")).unwrap(), dir.canonicalize().unwrap().join("roots"));
        for (name, file) in [("theirs", "theirs"), ("roots", "roots/f"), ("sticky", "sticky/f"), ("all", "all")] {
            let path = dir.join(name).join("f");
            fs::write(&path, "").unwrap();
            fs::set_permissions(&path, Permissions::from_mode(if name == "sticky" { 0o666 } else { 0o700 })).unwrap();
            let expected = if name == "roots" { Ok(()) } else { Err(dir.canonicalize().unwrap().join(file)) };
            assert_eq!(check_file(&path), expected);
        }
        assert_eq!(check_file(&dir.join("nowhere/f")), Ok(()));
        let real = dir.canonicalize().unwrap();
        for (folder, owner, expected) in [
            ("roots", 0, Ok(())),
            ("roots/away/for/now", 0, Ok(())),
            ("sticky/away", 0, Ok(())),
            ("sticky", 0, Err("sticky")),
            ("groups/away", 0, Err("groups")),
            ("theirs", 0, Err("theirs")),
            ("theirs", 7, Ok(())),
            ("theirs/away", 7, Ok(())),
            ("all/away", 7, Err("all")),
        ] {
            assert_eq!(check_folder(&dir.join(folder), owner), expected.map_err(|below| real.join(below)), "{folder}");
        }
        assert_eq!(std::io::read_to_string(open_file(&dir.join("sticky/link/../f")).unwrap()).unwrap(), "");
        for (file, refused) in [("theirs/f", "theirs"), ("all/f", "all"), ("sticky/f", "sticky/f"), ("sticky/own", "sticky/own")]
        {
            let _ = fs::write(dir.join("sticky/own"), "").and_then(|()| chown(dir.join("sticky/own"), Some(7), None));
            let opened = open_file(&dir.join(file));
            assert!(matches!(&opened, Err(Untrusted::Others(at)) if *at == dir.join(refused)), "{file}: {opened:?}");
        }
        assert!(matches!(open_file(&dir.join("roots")), Err(Untrusted::Io(Errno::INVAL))));
        assert!(matches!(open_file(&dir.join("roots/away")), Err(Untrusted::Io(Errno::NOENT))));
        symlink("circle", dir.join("circle")).unwrap();
        assert!(matches!(open_folder(&dir.join("circle")), Err(Untrusted::Io(Errno::LOOP))));
    }
}

//! Sets owner, permissions, attributes, times and flags of a created entry.

use super::Target;
use crate::format::entry::{ContentState, Core, EntryKind};
use crate::pipeline::source::node::{Node, Stat};
use rustix::io::Errno;

const ACL_ACCESS: &str = "system.posix_acl_access";
const ACL_DEFAULT: &str = "system.posix_acl_default";
const SET_ID: u32 = 0o6000;
/// Immutable and append-only: these alone need a privilege.
pub(super) const LOCKING_FLAGS: u32 = 0x10 | 0x20;

/// Modes of entries that nobody may write to.
pub(super) const FOLDER_MODE: u32 = 0o555;
const FILE_MODE: u32 = 0o444;

/// What could not be set of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Aspect {
    /// Nothing: it could not be opened again.
    Entry,
    /// User and group.
    Owner,
    /// Permission bits.
    Mode,
    /// An extended attribute, by name.
    Attribute(Vec<u8>),
    /// The time of the last change of content.
    Times,
    /// File attributes.
    Flags,
    /// The file's length differs from the record's.
    Size,
    /// It was not to be set: see [`TargetOptions::privileged`](super::TargetOptions).
    Withheld(Withheld),
    /// The entry is there, and the disk was not made to store it: a power cut may take it.
    Durable,
}

/// What is withheld without [`TargetOptions::privileged`](super::TargetOptions).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Withheld {
    /// The set-user-id and set-group-id bits of a file.
    SetId,
    /// An extended attribute, by name.
    Attribute(Vec<u8>),
}

/// Something recorded that the target does not have. It does not stop the restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortfall {
    /// Of the entry.
    pub path: Vec<u8>,
    /// What is missing.
    pub what: Aspect,
    /// Linux's number of the error; 0 where the file system reported success and stored something else.
    pub errno: u32,
}

/// `owner: Operation not permitted`
impl std::fmt::Display for Shortfall {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        match &self.what {
            Aspect::Entry => f.write_str("entry"),
            Aspect::Owner => f.write_str("owner"),
            Aspect::Mode => f.write_str("mode"),
            Aspect::Attribute(name) => write!(f, "attribute {}", String::from_utf8_lossy(name)),
            Aspect::Times => f.write_str("times"),
            Aspect::Flags => f.write_str("flags"),
            Aspect::Size => f.write_str("size"),
            Aspect::Withheld(Withheld::SetId) => return f.write_str("set-id bits: needs --privileged"),
            Aspect::Withheld(Withheld::Attribute(name)) => {
                return write!(f, "attribute {}: needs --privileged", String::from_utf8_lossy(name));
            }
            Aspect::Durable => f.write_str("not flushed to the disk"),
        }?;
        match self.errno {
            0 => f.write_str(": differs"),
            n => write!(f, ": {}", std::io::Error::from_raw_os_error(n as i32)),
        }
    }
}

impl Shortfall {
    pub(super) fn new(core: &Core, what: Aspect, errno: Errno) -> Self {
        Self { path: core.path.clone(), what, errno: errno.raw_os_error() as u32 }
    }
}

/// Collects the shortfalls of one entry.
struct Shortfalls<'c> {
    core: &'c Core,
    found: Vec<Shortfall>,
}

impl Shortfalls<'_> {
    fn note(&mut self, what: Aspect, done: rustix::io::Result<()>) -> bool {
        if let Err(e) = done {
            self.found.push(Shortfall::new(self.core, what, e));
        }
        done.is_ok()
    }

    fn withhold(&mut self, what: Withheld) {
        self.found.push(Shortfall { path: self.core.path.clone(), what: Aspect::Withheld(what), errno: 0 });
    }

    fn differs(&mut self, what: Aspect, differs: bool) {
        if differs && !self.found.iter().any(|s| s.what == what) {
            self.found.push(Shortfall { path: self.core.path.clone(), what, errno: 0 });
        }
    }
}

impl Target {
    /// The order matters: a change of owner clears the set-id bits and the capabilities; an access list changes the
    /// permissions' group bits; `user.*` attributes need the permission to write, which the mode may remove; and an immutable
    /// entry cannot be changed any more. At the end the status is compared, because some file systems report success and store
    /// something else.
    pub(super) fn finish(&self, node: &Node, core: &Core, has_flags: bool) -> Vec<Shortfall> {
        let mut shortfalls = Shortfalls { core, found: Vec::new() };
        let before = match node.stat() {
            Ok(stat) => stat,
            Err(e) => return vec![Shortfall::new(core, Aspect::Entry, e)],
        };
        let owned = self.finish_owner(node, &before, &mut shortfalls);
        self.finish_xattrs(node, owned, &mut shortfalls);
        let mode = self.finish_mode(node, owned, &mut shortfalls);
        shortfalls.note(Aspect::Times, node.set_mtime(core.mtime));
        if has_flags && (core.flags != 0 || self.inherits) {
            self.finish_flags(node, &mut shortfalls);
        }
        match node.stat() {
            Ok(after) => {
                shortfalls.differs(Aspect::Mode, core.kind != EntryKind::Symlink && after.mode != mode);
                shortfalls.differs(Aspect::Times, after.mtime != core.mtime);
                let sized = core.kind == EntryKind::File && !matches!(core.state, ContentState::Unreadable { .. });
                shortfalls.differs(Aspect::Size, sized && after.size != core.size);
            }
            Err(e) => {
                shortfalls.note(Aspect::Entry, Err(e));
            }
        }
        shortfalls.found
    }

    /// Whether the user and whether the group is the recorded one.
    fn finish_owner(&self, node: &Node, before: &Stat, shortfalls: &mut Shortfalls) -> (bool, bool) {
        let core = shortfalls.core;
        let right = (before.uid == core.uid, before.gid == core.gid);
        if !self.options.owners || right == (true, true) {
            return right;
        }
        // `chown` takes this number as "leave it as it is", and says that all went well.
        let can_be_set = core.uid != u32::MAX && core.gid != u32::MAX;
        let set = if can_be_set { node.set_owner(core.uid, core.gid) } else { Err(Errno::INVAL) };
        if shortfalls.note(Aspect::Owner, set) { (true, true) } else { right }
    }

    fn finish_xattrs(&self, node: &Node, owned: (bool, bool), shortfalls: &mut Shortfalls) {
        let core = shortfalls.core;
        let read_only = self.options.read_only;
        let has = |name: &str| !read_only && core.xattrs.iter().any(|(n, _)| n == name.as_bytes());
        if self.inherits && core.kind != EntryKind::Symlink {
            for name in [ACL_ACCESS, ACL_DEFAULT] {
                if !has(name) {
                    shortfalls.note(Aspect::Attribute(name.into()), node.remove_xattr(name));
                }
            }
        }
        // Access lists last: they may remove the permission that the others need.
        let grants_rights = |name: &[u8]| name.starts_with(b"system.posix_acl_") || name == b"security.capability";
        let gives_rights = |name: &[u8]| name.starts_with(b"security.") || name.starts_with(b"trusted.");
        let kept_back = |name: &[u8]| !self.options.privileged && gives_rights(name);
        for (name, _) in core.xattrs.iter().filter(|(n, _)| kept_back(n) && !(read_only && grants_rights(n))) {
            shortfalls.withhold(Withheld::Attribute(name.clone()));
        }
        // With another owner than the recorded one, capabilities would go to programs of the wrong person.
        let withheld = |name: &[u8]| name == b"security.capability" && owned != (true, true);
        if !read_only && core.xattrs.iter().any(|(name, _)| withheld(name) && !kept_back(name)) {
            shortfalls.note(Aspect::Attribute(b"security.capability".to_vec()), Err(Errno::PERM));
        }
        let is_given = |name: &[u8]| !(read_only && grants_rights(name) || withheld(name) || kept_back(name));
        let given = core.xattrs.iter().filter(|(name, _)| is_given(name));
        let (lists, others): (Vec<_>, Vec<_>) = given.partition(|(name, _)| name.starts_with(b"system.posix_acl_"));
        for (name, value) in others.into_iter().chain(lists) {
            shortfalls.note(Aspect::Attribute(name.clone()), node.set_xattr(name, value));
        }
    }

    /// Returns the mode that the entry should have.
    fn finish_mode(&self, node: &Node, (user, group): (bool, bool), shortfalls: &mut Shortfalls) -> u32 {
        let core = shortfalls.core;
        if core.kind == EntryKind::Symlink {
            return core.mode;
        }
        if self.options.read_only {
            let mode = if core.kind == EntryKind::Directory { FOLDER_MODE } else { FILE_MODE };
            shortfalls.note(Aspect::Mode, node.set_mode(mode));
            return mode;
        }
        // With another owner than the recorded one, a set-id bit would give programs the wrong person's rights.
        let mut mode = core.mode;
        if core.kind != EntryKind::Directory && !self.options.privileged && mode & SET_ID != 0 {
            mode &= !SET_ID;
            shortfalls.withhold(Withheld::SetId);
            shortfalls.note(Aspect::Mode, node.set_mode(mode));
            return mode;
        }
        if core.kind != EntryKind::Directory {
            mode &= !(if user { 0 } else { 0o4000 } | if group { 0 } else { 0o2000 });
        }
        if shortfalls.note(Aspect::Mode, node.set_mode(mode)) && (core.mode ^ mode) & SET_ID != 0 {
            shortfalls.note(Aspect::Mode, Err(Errno::PERM));
        }
        mode
    }

    fn finish_flags(&self, node: &Node, shortfalls: &mut Shortfalls) {
        let flags = shortfalls.core.flags;
        if let Err(e) = node.set_flags(flags) {
            shortfalls.note(Aspect::Flags, Err(e));
            // The kernel refuses all if some need a privilege.
            if flags & LOCKING_FLAGS != 0 {
                let _ = node.set_flags(flags & !LOCKING_FLAGS);
            }
        }
    }
}

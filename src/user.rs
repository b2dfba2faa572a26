//! Users of this machine: which one the program is, and as which one it starts other programs.
//!
//! **Invariant:** whoever becomes another user here keeps the capabilities that were named, and no others.

use rustix::process::{Gid, Uid};
use rustix::thread::{
    CapabilitiesSecureBits, CapabilitySet, CapabilitySets, capabilities, capabilities_secure_bits, clear_ambient_capability_set,
    configure_capability_in_ambient_set, set_capabilities, set_capabilities_secure_bits, set_keep_capabilities,
    set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Child, Command};

/// What reading a source needs, and marking what was written as immutable; no file of another user can be changed with it.
pub const FOR_READING: CapabilitySet = CapabilitySet::DAC_READ_SEARCH.union(CapabilitySet::LINUX_IMMUTABLE);

/// A user, with all groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    uid: u32,
    /// The first one is the user's own.
    groups: Vec<u32>,
}

impl User {
    /// Who may do least. Linux keeps this number for it.
    pub fn nobody() -> Self {
        Self { uid: 65_534, groups: vec![65_534] }
    }

    /// The user of a name or number, as the system knows it. Fails with [`io::ErrorKind::NotFound`] where there is none.
    pub fn named(name: &str) -> io::Result<Self> {
        let numbers = |what| {
            // Directory services are asked, too: this is not only for names of files.
            let output = Command::new("/usr/bin/id").args([what, "--", name]).output()?;
            let text = String::from_utf8(output.stdout).unwrap_or_default();
            let numbers: Option<Vec<u32>> = text.split_whitespace().map(|number| number.parse().ok()).collect();
            let unknown = || io::Error::new(io::ErrorKind::NotFound, format!("there is no user {name}"));
            numbers.filter(|n| output.status.success() && !n.is_empty()).ok_or_else(unknown)
        };
        Ok(Self { uid: numbers("-u")?[0], groups: numbers("-G")? })
    }

    /// The owner of a folder, if it is one and another than root. A link is not followed.
    pub fn owning(folder: &Path) -> Option<Self> {
        let found = folder.symlink_metadata().ok().filter(|m| m.is_dir() && m.uid() != 0)?;
        Self::named(&found.uid().to_string()).ok().or_else(|| Some(Self { uid: found.uid(), groups: vec![found.gid()] }))
    }

    /// The number.
    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// Becomes this user for good. To be called before a second thread begins: the others would stay who they are.
    pub fn become_for_good(&self, keep: CapabilitySet) -> io::Result<()> {
        set_keep_capabilities(true)?;
        self.change(keep)?;
        Ok(set_keep_capabilities(false)?)
    }

    /// Starts a program as this user. `hand_down`: what it may do besides.
    pub fn spawn(&self, command: &mut Command, hand_down: CapabilitySet) -> io::Result<Child> {
        // Linux keeps users by thread, and a program is started as the one of the thread that starts it.
        let start = || {
            set_keep_capabilities(true)?;
            if !hand_down.is_empty() {
                // Else access(2) would tell the program that it may do less than it may.
                set_capabilities_secure_bits(capabilities_secure_bits()? | CapabilitiesSecureBits::NO_SETUID_FIXUP)?;
            }
            self.change(hand_down)?;
            for capability in hand_down.iter() {
                configure_capability_in_ambient_set(capability, true)?;
            }
            command.spawn()
        };
        std::thread::scope(|scope| scope.spawn(start).join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into())))
    }

    /// The thread that calls this.
    fn change(&self, keep: CapabilitySet) -> io::Result<()> {
        let gid = |n: &u32| Gid::from_raw(*n);
        let groups: Vec<Gid> = self.groups.iter().map(gid).collect();
        let (own, uid) = (groups[0], Uid::from_raw(self.uid));
        set_thread_groups(&groups)?;
        set_thread_res_gid(own, own, own)?;
        set_thread_res_uid(uid, uid, uid)?;
        let keep = keep & capabilities(None)?.permitted;
        Ok(set_capabilities(None, CapabilitySets { effective: keep, permitted: keep, inheritable: keep })?)
    }
}

/// Whether this process may become another user.
pub fn may_change() -> bool {
    let needed = CapabilitySet::SETUID | CapabilitySet::SETGID;
    capabilities(None).is_ok_and(|sets| sets.effective.contains(needed))
}

/// What this program may do, the programs that it starts may not: a service manager may have made it so that they inherit it.
pub fn hand_down_nothing() {
    // Kernels before 4.3 do not know this, and hand nothing down.
    let _ = clear_ambient_capability_set();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::{is_root, skipped};
    use std::process::Stdio;

    fn said(user: &User, hand_down: CapabilitySet, script: &str) -> String {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdout(Stdio::piped()).stderr(Stdio::null());
        let child = user.spawn(&mut command, hand_down).unwrap();
        String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap().trim().to_owned()
    }

    #[test]
    fn a_user_is_found_by_name_and_by_number() {
        assert_eq!(User::named("root").unwrap().uid(), 0);
        assert_eq!(User::named("0").unwrap(), User::named("root").unwrap());
        assert_eq!(User::named("nobody-of-this-name").unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(User::named("-G").unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_program_starts_as_another_user_and_this_one_stays() {
        if !is_root() {
            return skipped("programs of another user: this is not root");
        }
        let nobody = User::nobody();
        let dir = tempfile::tempdir().unwrap();
        let (secret, script) = (dir.path().join("secret"), "id -u; id -g; id -G");
        crate::host::files::write_new(&secret, 0o600, b"a letter").unwrap();
        let read = format!("test -r '{0}' && cat '{0}'; : > '{0}'", secret.display());
        assert_eq!(said(&nobody, CapabilitySet::empty(), script), "65534\n65534\n65534");
        assert_eq!(said(&nobody, CapabilitySet::empty(), &read), "");
        assert_eq!(said(&nobody, CapabilitySet::DAC_READ_SEARCH, &read), "a letter", "it reads, and nothing else");
        assert_eq!(std::fs::read(&secret).unwrap(), b"a letter");
        assert!(rustix::process::geteuid().is_root() && may_change());
    }

    #[test]
    fn a_folder_names_its_user() {
        if !is_root() {
            return skipped("folders of another user: this is not root");
        }
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(User::owning(dir.path()), None, "root is nobody else");
        std::os::unix::fs::chown(dir.path(), Some(65_534), Some(65_534)).unwrap();
        assert_eq!(User::owning(dir.path()), Some(User::nobody()));
        assert_eq!(User::owning(&dir.path().join("none")), None);
        let link = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(dir.path(), link.path().join("link")).unwrap();
        assert_eq!(User::owning(&link.path().join("link")), None);
    }
}

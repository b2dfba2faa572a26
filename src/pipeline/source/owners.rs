//! Names of users and groups.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

/// The names in the host's own files. Directory services (LDAP, Active Directory) are not asked: they need the network, and a
/// backup opens no socket. Of their users only the numbers are recorded, and a restore sets the numbers.
#[derive(Debug, Clone, Default)]
pub struct Owners {
    users: HashMap<u32, Vec<u8>>,
    groups: HashMap<u32, Vec<u8>>,
}

impl Owners {
    /// Reads `/etc/passwd` and `/etc/group` once.
    pub fn of_host() -> Self {
        Self::read(Path::new("/etc/passwd"), Path::new("/etc/group"))
    }

    /// Reads files in the form of passwd(5) and group(5). A file that cannot be read gives no names.
    pub fn read(passwd: &Path, group: &Path) -> Self {
        let names = |path| names(&fs::read(path).unwrap_or_default());
        Self { users: names(passwd), groups: names(group) }
    }

    /// The name of a user.
    pub fn user(&self, uid: u32) -> Option<&[u8]> {
        self.users.get(&uid).map(Vec::as_slice)
    }

    /// The name of a group.
    pub fn group(&self, gid: u32) -> Option<&[u8]> {
        self.groups.get(&gid).map(Vec::as_slice)
    }
}

/// Parses `name:password:number:…`. The first line of a number is valid, as in the C library.
fn names(text: &[u8]) -> HashMap<u32, Vec<u8>> {
    let mut found = HashMap::new();
    for line in text.split(|b| *b == b'\n') {
        let mut fields = line.split(|b| *b == b':');
        if let (Some(name), Some(_), Some(number)) = (fields.next(), fields.next(), fields.next())
            && let Some(number) = std::str::from_utf8(number).ok().and_then(|n| n.parse().ok())
            && !name.is_empty()
            && !name.starts_with(b"#")
            && !name.starts_with(b"+")
            && !name.starts_with(b"-")
        {
            found.entry(number).or_insert_with(|| name.to_vec());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_of_a_number_counts() {
        let found = names(b"root:x:0:0::/:/bin/sh\ntoor:x:0:0\n\n# no:x:7\n+::9\nbad:x:-1\n\xff:x:5:\ndr:x:1000");
        assert_eq!(found.len(), 3);
        assert_eq!(found[&0], b"root");
        assert_eq!(found[&5], b"\xff");
        assert_eq!(found[&1000], b"dr");
    }
}

//! Writes a golden medium. Run once for a version of the format, by hand; what it wrote is kept for good.

use crate::identity;
use crate::machine::{objects_in, put_object};
use crate::world::Hospital;
use azekura::format::object::ObjectKind;
use azekura::job::backup::{Options, SourceOptions};
use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, XattrFlags, mknodat, setxattr, utimensat};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// 2026-11-23T03:31:54Z, when the first night begins.
const FIRST_NIGHT: i64 = 1_795_404_714;

fn noise(length: usize) -> Vec<u8> {
    let mut out = vec![0; length];
    blake3::Hasher::new().update(b"golden").finalize_xof().fill(&mut out);
    out
}

fn text(lines: std::ops::Range<u32>) -> String {
    let value = |n: u32| n.wrapping_mul(2_654_435_761) % 10_007;
    lines.map(|n| format!("OBX|{n}|NM|{:05}^血糖^L||{}.{}|mg/dL|70-109|N|||F\r", value(n), n % 190, value(n + 7) % 10)).collect()
}

struct Tree {
    root: PathBuf,
}

impl Tree {
    fn path(&self, name: impl AsRef<[u8]>) -> PathBuf {
        let path = self.root.join(OsStr::from_bytes(name.as_ref()));
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        path
    }

    fn file(&self, name: impl AsRef<[u8]>, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).expect("a file");
        path
    }

    /// Everything that a record can hold and a user without privileges can make.
    fn first_night(&self) {
        self.file("large/incompressible", noise(40_000));
        self.file("large/in several chunks", text(0..6000));
        self.file("empty", "");
        std::fs::create_dir(self.path("empty folder")).expect("a folder");
        let first = self.file("links/first", "three names, one file\n");
        for further in ["links/second", "links/third"] {
            std::fs::hard_link(&first, self.path(further)).expect("a hard link");
        }
        symlink(OsStr::from_bytes(b"../nowhere/\xff"), self.path("links/symbolic")).expect("a link");
        std::fs::hard_link(self.path("links/symbolic"), self.path("links/symbolic too")).expect("a hard link");
        let sparse = std::fs::File::create(self.path("holes")).expect("a file");
        sparse.write_all_at(b"data between holes", 256 << 10).expect("written");
        sparse.set_len(1 << 20).expect("a length");
        for (i, name) in [
            &b"names/\xff\xfe"[..],
            b"names/new\nline",
            b"names/ space ",
            b"names/-rf",
            "names/患者 一覧.txt".as_bytes(),
            b"names/back\\slash",
        ]
        .iter()
        .enumerate()
        {
            self.file(name, format!("odd name {i}\n"));
        }
        self.file([b"names/".as_slice(), &[b'n'; 255]].concat(), "the longest name\n");
        // Sorted by names, not by bytes: `names` before `names.old`, and `names/…` between them.
        self.file("names.old", "beside the folder\n");
        for (name, kind) in [("special/fifo", FileType::Fifo), ("special/socket", FileType::Socket)] {
            mknodat(CWD, self.path(name), kind, Mode::RUSR | Mode::WUSR, 0).expect("a special file");
        }
        for (name, mode) in [("modes/set-id", 0o4755), ("modes/read-only", 0o400), ("modes/all", 0o777)] {
            let path = self.file(name, name);
            std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).expect("a mode");
        }
        std::fs::set_permissions(self.path("empty folder"), PermissionsExt::from_mode(0o1777)).expect("a mode");
        for (name, attribute, value) in [
            ("links/first", "user.note", &b"\0binary\xff"[..]),
            ("links/first", "user.empty", b""),
            ("empty folder", "user.folder", b"yes"),
        ] {
            setxattr(self.path(name), attribute, value, XattrFlags::empty()).expect("extended attributes; try another TMPDIR");
        }
    }

    fn second_night(&self) {
        // A change in the middle: the chunks around it are known.
        self.file("large/in several chunks", [text(0..3000), "NTE|a line more\r".into(), text(3000..6000)].concat());
        self.file("new", "new in the second night\n");
        std::fs::remove_file(self.path("empty")).expect("removed");
        std::fs::rename(self.path("names/-rf"), self.path("names/renamed")).expect("renamed");
    }

    fn third_night(&self) {
        self.file("new", "changed in the third night\n");
    }

    /// Gives every entry a time of its own, some before 1970, inner entries first.
    fn set_times(&self) {
        for (i, entry) in walkdir::WalkDir::new(&self.root).sort_by_file_name().contents_first(true).into_iter().enumerate() {
            let entry = entry.expect("an entry");
            let time =
                Timespec { tv_sec: 1_700_000_000 - 100_000_000 * i as i64, tv_nsec: (i as i64 * 123_456_789) % 1_000_000_000 };
            let times = Timestamps { last_access: time, last_modification: time };
            utimensat(CWD, entry.path(), &times, AtFlags::SYMLINK_NOFOLLOW).expect("times");
        }
    }
}

/// Makes the medium at `to`.
pub fn write(to: &Path) {
    let h = Hospital { identity: identity(), ..Hospital::new() };
    let tree = Tree { root: h.source() };
    std::fs::write(h.path("hosts"), "127.0.0.1 localhost\n").expect("a file");
    let mut records = SourceOptions::new("records", h.source());
    records.excludes = vec!["*.tmp".into()];
    // A source that is one file, with a name of several parts.
    let hosts = SourceOptions::new("host/etc/hosts", h.path("hosts"));
    let options = Options { sources: vec![records, hosts], ..h.options() };
    let night = |n: i64, change: fn(&Tree), options: &Options| {
        h.clock.store(FIRST_NIGHT + n * 86_400, std::sync::atomic::Ordering::Relaxed);
        change(&tree);
        tree.set_times();
        h.try_backup(options).expect("a backup")
    };
    tree.file("excluded.tmp", "not backed up\n");
    night(0, Tree::first_night, &options);
    // A run that a power cut ended: a pack without its end, and a seal without its end.
    let set = std::fs::read_dir(h.medium().join("AZEKURA")).expect("sets").next().expect("a set").expect("a set").path();
    let seal = |n: usize| {
        let (number, _, path) = objects_in(&set).into_iter().filter(|o| o.1 == ObjectKind::Seal).nth(n).expect("a seal");
        (number, path)
    };
    let (first, path) = seal(0);
    put_object(&set, first + 1, ObjectKind::Pack, b"age-encryption.org/v1\n-> X25519 ");
    put_object(&set, first + 2, ObjectKind::Seal, &std::fs::read(&path).expect("a seal")[..300]);
    night(1, Tree::second_night, &options);
    night(2, Tree::third_night, &Options { full: true, tag: Some("毎週の全読み".into()), ..options.clone() });
    // And one that nothing follows.
    put_object(&set, seal(3).0 + 1, ObjectKind::Pack, noise(100));
    let done = to.join("AZEKURA").join(set.file_name().expect("a name"));
    for (number, kind, path) in objects_in(&set) {
        // Not `copy`, which takes the read-only mode over.
        put_object(&done, number, kind, std::fs::read(path).expect("an object"));
    }
}

//! What several stories share: dice whose seed is printed, whole pictures of a tree, and a set's files by number and kind.

use crate::machine::{is_root, objects_in, skipped};
use azekura::format::object::ObjectKind;
use rustix::fs::{IFlags, Mode, OFlags, ioctl_getflags, ioctl_setflags};
use std::collections::{BTreeMap, VecDeque};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Random numbers that come again: the seed is `AZEKURA_SEED`, or a new one that the test's output names.
pub struct Dice {
    /// The bytes of an input that are not used yet. They decide first.
    input: VecDeque<u8>,
    /// What splitmix64 goes on from.
    state: u64,
}

impl Dice {
    pub fn new(test: &str) -> Self {
        let seed = match std::env::var("AZEKURA_SEED") {
            Ok(seed) => seed.parse().expect("AZEKURA_SEED is a number"),
            Err(_) => {
                let mut bytes = [0; 4];
                getrandom::fill(&mut bytes).expect("randomness");
                u32::from_le_bytes(bytes).into()
            }
        };
        println!("{test}: AZEKURA_SEED={seed}");
        Self::of_seed(seed)
    }

    fn of_seed(seed: u64) -> Self {
        Self { input: VecDeque::new(), state: seed }
    }

    /// Those of one case of many, so that it can be made again by itself.
    pub fn of_case(seed: u64, case: u64) -> Self {
        Self::of_seed(Self::of_seed(seed ^ case.rotate_left(32)).next())
    }

    /// Dice that fall as a fuzzer wants, who changes an input byte by byte and learns what comes of it. Where the input ends, a
    /// generator that it seeds goes on.
    pub fn of_input(input: &[u8]) -> Self {
        let seed = u64::from_le_bytes(*blake3::hash(input).as_bytes().first_chunk().expect("32 bytes"));
        Self { input: input.iter().copied().collect(), state: seed }
    }

    /// A number of so many bytes of the input. `None` at its end.
    fn given(&mut self, bytes: usize) -> Option<u64> {
        let bytes = self.input.drain(..bytes.min(self.input.len()));
        bytes.map(u64::from).reduce(|n, byte| n << 8 | byte)
    }

    pub fn next(&mut self) -> u64 {
        self.given(8).unwrap_or_else(|| self.splitmix64())
    }

    fn splitmix64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.state ^ (self.state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// 0 to `n - 1`. Takes one byte of an input where that is enough, so that each byte decides one thing.
    pub fn below(&mut self, n: usize) -> usize {
        let bytes = if n <= 256 { 1 } else { 8 };
        (self.given(bytes).unwrap_or_else(|| self.splitmix64()) % n as u64) as usize
    }

    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    /// Bytes that do not compress.
    pub fn noise(&mut self, length: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(length + 8);
        while out.len() < length {
            out.extend_from_slice(&self.next().to_le_bytes());
        }
        out.truncate(length);
        out
    }
}

/// Everything about an entry that a restore must bring back.
#[derive(Clone, PartialEq, Eq)]
pub struct Seen {
    pub mode: u32,
    pub owner: (u32, u32),
    pub mtime: (i64, i64),
    pub size: u64,
    pub content: Vec<u8>,
    pub target: Option<PathBuf>,
    pub device: u64,
    /// The first of its names in the tree.
    pub first: PathBuf,
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

impl std::fmt::Debug for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let digest = blake3::hash(&self.content).to_hex();
        write!(f, "mode {:o} owner {:?} mtime {:?} size {} ", self.mode, self.owner, self.mtime, self.size)?;
        write!(f, "content {} target {:?} first {:?} xattrs {:?}", &digest[..8], self.target, self.first, self.xattrs)
    }
}

pub type Picture = BTreeMap<PathBuf, Seen>;

/// Every entry below `root`, and the root itself under the empty path; nothing where there is no `root`.
pub fn picture(root: &Path) -> Picture {
    let mut all = Picture::new();
    if !root.exists() {
        return all;
    }
    let mut firsts: BTreeMap<(u64, u64), PathBuf> = BTreeMap::new();
    for entry in walkdir::WalkDir::new(root).sort_by_file_name() {
        let entry = entry.expect("an entry");
        let path = entry.path().strip_prefix(root).expect("below").to_owned();
        let meta = entry.path().symlink_metadata().expect("a status");
        let first = firsts.entry((meta.dev(), meta.ino())).or_insert_with(|| path.clone()).clone();
        let content = if meta.is_file() { std::fs::read(entry.path()).expect("content") } else { Vec::new() };
        let target = meta.is_symlink().then(|| std::fs::read_link(entry.path()).expect("a target"));
        let seen = Seen {
            mode: meta.mode(),
            owner: (meta.uid(), meta.gid()),
            mtime: (meta.mtime(), meta.mtime_nsec()),
            size: if meta.is_dir() { 0 } else { meta.size() },
            content,
            target,
            device: meta.rdev(),
            first,
            xattrs: xattrs(entry.path()),
        };
        all.insert(path, seen);
    }
    all
}

fn xattrs(path: &Path) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut list = vec![0; 4096];
    let Ok(n) = rustix::fs::llistxattr(path, &mut list[..]) else { return Vec::new() };
    let names = list[..n].split(|b| *b == 0).filter(|name| !name.is_empty());
    let mut all: Vec<_> = names
        .map(|name| {
            let mut value = vec![0; 65_536];
            let n = rustix::fs::lgetxattr(path, name, &mut value[..]).expect("an attribute");
            (name.to_vec(), value[..n].to_vec())
        })
        .collect();
    all.sort();
    all
}

/// Fails on the first entry that differs.
#[track_caller]
pub fn assert_same(expected: &Picture, found: &Picture, what: &str) {
    for (path, seen) in expected {
        assert_eq!(Some(seen), found.get(path), "{what}: {path:?}");
    }
    for path in found.keys() {
        assert!(expected.contains_key(path), "{what}: {path:?} is too much");
    }
}

/// The folder of the only set on a medium.
pub fn set_folder(medium: &Path) -> PathBuf {
    let mut sets = std::fs::read_dir(medium.join("AZEKURA")).expect("sets");
    let only = sets.next().expect("a set").expect("an entry").path();
    assert!(sets.next().is_none(), "one set only");
    only
}

/// The objects of the only set on a medium, ascending.
pub fn objects(medium: &Path) -> Vec<(u64, ObjectKind, PathBuf)> {
    objects_in(&set_folder(medium))
}

/// Copies a folder with all that it holds; what it gives may be written to.
pub fn copy_folder(from: &Path, to: &Path) {
    for entry in walkdir::WalkDir::new(from) {
        let entry = entry.expect("an entry");
        let to = to.join(entry.path().strip_prefix(from).expect("below"));
        if entry.file_type().is_dir() {
            std::fs::create_dir_all(&to).expect("a folder");
        } else {
            std::fs::copy(entry.path(), &to).expect("a copy");
            let mode = if from.ends_with("state") { 0o600 } else { 0o644 };
            rustix::fs::chmod(&to, Mode::from_raw_mode(mode)).expect("a mode");
        }
    }
}

/// A temporary folder in memory where there is one: no story here is about a disk's speed.
pub fn fast_folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a temporary folder")
}

/// Takes away the flags that forbid even root to remove what was restored (`chattr +i`, `+a`). A temporary folder with such an entry
/// would stay for good.
pub fn unlock(folder: &Path) {
    const LOCKS: IFlags = IFlags::IMMUTABLE.union(IFlags::APPEND);
    let opened = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    for entry in walkdir::WalkDir::new(folder).into_iter().flatten() {
        let kind = entry.file_type();
        if (kind.is_file() || kind.is_dir())
            && let Ok(fd) = rustix::fs::open(entry.path(), opened, Mode::empty())
            && let Ok(flags) = ioctl_getflags(&fd)
            && flags.intersects(LOCKS)
        {
            let _ = ioctl_setflags(&fd, flags.difference(LOCKS));
        }
    }
}

/// Writes over bytes of a file that exists.
pub fn overwrite(path: &Path, at: u64, bytes: &[u8]) {
    use std::os::unix::fs::FileExt;
    let file: std::fs::File =
        rustix::fs::open(path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty()).expect("a file to damage").into();
    file.write_all_at(bytes, at).expect("damage");
}

/// Bytes that do not compress, the same ones for a seed.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut out = vec![0; length];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut out);
    out
}

/// A file system of its own, taken away with the story.
pub struct Disk(PathBuf);

impl Disk {
    /// In memory. `None`, said aloud, where that is not permitted.
    pub fn tmpfs(at: &Path, options: &str) -> Option<Self> {
        Self::mounted(at, &["-t", "tmpfs", "-o", options, "tmpfs"])
    }

    /// ext4 in a file, which is made with so many bytes where there is none. `None`, said aloud, where that is not permitted.
    pub fn ext4(at: &Path, image: &Path, bytes: u64) -> Option<Self> {
        if !image.exists() {
            std::fs::File::create_new(image).and_then(|f| f.set_len(bytes)).expect("an image");
            run("mkfs.ext4", &["-q"], image);
        }
        Self::mounted(at, &["-t", "ext4", "-o", "loop", image.to_str().expect("a path")])
    }

    fn mounted(at: &Path, arguments: &[&str]) -> Option<Self> {
        std::fs::create_dir_all(at).expect("a folder");
        if !is_root() || !run("mount", arguments, at) {
            skipped(format!("no {} can be mounted", arguments[1]));
            return None;
        }
        Some(Self(at.to_owned()))
    }

    pub fn again(&self, options: &str) {
        assert!(run("mount", &["-o", &format!("remount,{options}")], &self.0), "mounted again with {options}");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        run("umount", &["-l"], &self.0);
    }
}

fn run(program: &str, arguments: &[&str], path: &Path) -> bool {
    std::process::Command::new(program).args(arguments).arg(path).status().is_ok_and(|s| s.success())
}

/// Another digit in a seal's signature, which can still be read and does not hold any more. Done again, it is as it was.
pub fn forge(seal: &Path) {
    std::fs::set_permissions(seal, std::os::unix::fs::PermissionsExt::from_mode(0o644)).expect("a mode");
    let bytes = std::fs::read(seal).expect("a seal");
    // The signature's last digits: the head ends with them.
    let at = azekura::format::seal::Seal::decode(&bytes).expect("a seal").head_bytes - 5;
    let digit = char::from(bytes[at]).to_digit(16).expect("a hexadecimal digit");
    let other = char::from_digit(digit ^ 1, 16).expect("a digit");
    overwrite(seal, at as u64, &[other as u8]);
}

//! Golden media: `v<format version>/<name>/`, with `medium/` as it was written and `expected.txt`, which says what is in it.
//!
//! The crate and the reference reader must verify, list and restore each of them exactly.

use crate::world::Hospital;
use crate::{folder, identity, reader, updates, write};
use azekura::format::VERSION;
use azekura::format::entry::{ContentState, Core, EntryKind};
use azekura::generation::Generation;
use azekura::job::inspect::verify;
use azekura::job::restore;
use azekura::medium::Medium;
use azekura::medium::loader::NoLoader;
use azekura::pipeline::target::TargetOptions;
use azekura::seal::chain::Chain;
use azekura::set::open::OpenSet;
use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// The folders of all golden media.
fn all() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for version in (1..=VERSION).map(|v| folder().join(format!("v{v}"))) {
        let mut names: Vec<_> =
            std::fs::read_dir(version).expect("a golden folder for every version").map(|e| e.expect("a name").path()).collect();
        names.sort();
        assert!(!names.is_empty(), "every version of the format has a golden medium");
        found.extend(names);
    }
    found
}

/// With `UPDATE_GOLDEN=1`: a golden medium for a version that has none, and what is in it.
pub fn make_missing() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let new = folder().join(format!("v{VERSION}/first"));
        if updates() && !new.exists() {
            write::write(&new.join("medium"));
            std::fs::write(new.join("expected.txt"), described(&new.join("medium"))).expect("a file");
        }
    });
}

#[test]
fn every_golden_folder_is_covered() {
    make_missing();
    let mut known: Vec<String> = ["chunker.txt", "damaged", "frozen.sha256", "identity.txt", "vectors"].map(str::to_owned).into();
    known.extend((1..=VERSION).map(|v| format!("v{v}")));
    for entry in std::fs::read_dir(folder()).expect("the folder") {
        let name = entry.expect("a name").file_name().into_string().expect("a plain name");
        assert!(name.ends_with(".rs") || known.contains(&name), "tests/golden/{name} is covered by no test");
    }
    for golden in all() {
        assert!(golden.join("medium/AZEKURA").is_dir() && golden.join("expected.txt").is_file(), "{}", golden.display());
    }
}

#[test]
fn golden_media_hold_what_they_held() {
    make_missing();
    for golden in all() {
        let expected = std::fs::read_to_string(golden.join("expected.txt")).expect("expected.txt");
        let found = described(&golden.join("medium"));
        for (f, e) in found.lines().zip(expected.lines()) {
            assert_eq!(f, e, "{}", golden.display());
        }
        assert_eq!(found.lines().count(), expected.lines().count(), "{}", golden.display());
    }
}

#[test]
fn golden_media_are_restored() {
    make_missing();
    for golden in all() {
        for_each_generation(&golden.join("medium"), |h, n, cores| {
            let options = restore::Options {
                from: golden.join("medium"),
                generation: Some(n),
                ..h.restore_options(&format!("generation {n}"))
            };
            let report = h.try_restore(&options).expect("a restore");
            assert!(report.trusted);
            assert_eq!(report.entries as usize, cores.len());
            let unexpected: Vec<_> = report.findings.iter().filter(|f| !f.detail.starts_with("attribute user.")).collect();
            assert!(unexpected.is_empty(), "{unexpected:?}");
            compare(cores, &options.to, options.target, report.findings.is_empty());
        });
    }
}

#[test]
fn the_reference_reader_restores_golden_media() {
    make_missing();
    for golden in all() {
        let medium = golden.join("medium");
        for_each_generation(&medium, |h, n, cores| {
            let to = h.path("restored");
            if !reader::restores(&medium, &["--generation", &n.to_string()], &to) {
                return;
            }
            let target =
                TargetOptions { owners: rustix::process::geteuid().is_root(), privileged: true, ..TargetOptions::default() };
            compare(cores, &to, target, false);
            let (status, listed) = reader::lists(&medium, n);
            assert_eq!(status, 0, "{listed}");
            for core in cores.iter().filter_map(|c| c.digests.map(|d| d.either().blake3)) {
                let digest: String = core.iter().map(|b| format!("{b:02x}")).collect();
                assert!(listed.contains(&digest), "{digest}");
            }
        });
    }
}

fn for_each_generation(medium: &Path, with: impl Fn(&Hospital, u64, &[Core])) {
    let (directory, chain) = open(medium);
    for link in &chain.links {
        let h = Hospital { identity: identity(), ..Hospital::new() };
        let generation = Generation::open(&*directory, &chain, Some(link.seal.generation), &h.identity).expect("a generation");
        let cores: Vec<Core> = generation.entries().map(|r| r.expect("a record").entry.expect("a good one").core).collect();
        with(&h, link.seal.generation, &cores);
    }
}

fn open(medium: &Path) -> (Box<dyn Medium>, Chain) {
    let opened = OpenSet::open(medium, None, &NoLoader).expect("a set");
    let chain = opened.chain().expect("a chain");
    let directory = opened.medium;
    (directory, chain)
}

/// Everything that the crate sees on a medium, as text: one line a fact.
fn described(medium: &Path) -> String {
    let h = Hospital { identity: identity(), ..Hospital::new() };
    let options = verify::Options::new(medium);
    let verified = h.with_env(|w| verify::verify(&options, w, &azekura::event::NoObserver)).expect("a verification");
    assert!(verified.is_good(), "{verified:?}");
    let (directory, chain) = open(medium);
    let label = chain.label.as_ref().expect("a label");
    let mut out = String::new();
    let mut line = |text: String| {
        let _ = writeln!(out, "{text}");
    };
    line(format!("set {} {} of {}", chain.set, label.name, label.created));
    for l in &verified.leftovers {
        line(format!("leftover {} {} {}", l.number, l.kind, l.length));
    }
    for (link, verified) in chain.links.iter().zip(&verified.generations) {
        let (n, seal) = (link.seal.generation, &link.seal);
        let g = Generation::open(&*directory, &chain, Some(n), &h.identity).expect("a generation");
        line(format!("generation {n} {} {} check code {}", seal.time, seal.verdict.name(), verified.check_code));
        for o in &link.objects {
            line(format!("  object {} {} {}", o.number, o.kind, o.length));
        }
        let m = &g.manifest;
        line(format!("  parent {} full {} tag {:?} host {} findings {}", m.parent, m.full, m.tag, m.host, m.findings.len()));
        for s in &m.sources {
            let excludes: Vec<_> = s.excludes.iter().map(|x| x.escape_ascii().to_string()).collect();
            line(format!("  source {} {:?} excludes {excludes:?}", s.name.escape_ascii(), s.kind));
        }
        for record in g.entries() {
            line(format!("  {}", entry_line(&record.expect("a record").entry.expect("a good one").core)));
        }
    }
    out
}

fn entry_line(c: &Core) -> String {
    let mut out = format!("{} {:?} {:o} {}:{}", c.path.escape_ascii(), c.kind, c.mode, c.uid, c.gid);
    let hex = |b: &[u8]| b.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let mut fact = |name: &str, value: Option<String>| {
        if let Some(v) = value {
            let _ = write!(out, " {name}={v}");
        }
    };
    let bytes = |b: &Option<Vec<u8>>| b.as_ref().map(|b| b.escape_ascii().to_string());
    fact("user", bytes(&c.user));
    fact("group", bytes(&c.group));
    fact("mtime", Some(format!("{}.{:09}", c.mtime.seconds, c.mtime.nanoseconds)));
    fact("ctime", Some(format!("{}.{:09}", c.ctime.seconds, c.ctime.nanoseconds)));
    fact("inode", Some(c.inode.to_string()));
    fact("link", bytes(&c.link_to));
    fact("size", (c.kind == EntryKind::File).then(|| c.size.to_string()));
    fact("target", bytes(&c.target));
    fact("device", c.device.map(|d| format!("{d:?}")));
    for (name, value) in &c.xattrs {
        fact(&name.escape_ascii().to_string(), Some(format!("\"{}\"", value.escape_ascii())));
    }
    for hole in &c.holes {
        fact("hole", Some(format!("{}+{}", hole.offset, hole.length)));
    }
    fact("flags", (c.flags != 0).then(|| format!("{:x}", c.flags)));
    fact("state", (c.state != ContentState::Good).then(|| format!("{:?}", c.state)));
    fact("blake3", c.whole().map(|d| hex(&d.blake3)));
    fact("sha256", c.whole().and_then(|d| d.sha256).map(|d| hex(&d)));
    fact("stored blake3", c.stored().map(|d| hex(&d.blake3)));
    fact("stored sha256", c.stored().and_then(|d| d.sha256).map(|d| hex(&d)));
    out
}

/// Compares a restored tree with the records. Owners and set-id bits come back for root alone.
fn compare(cores: &[Core], root: &Path, target: TargetOptions, xattrs: bool) {
    let place = |path: &[u8]| root.join(std::ffi::OsStr::from_bytes(path));
    for c in cores {
        let (path, shown) = (place(&c.path), c.path.escape_ascii());
        let m = std::fs::symlink_metadata(&path).unwrap_or_else(|e| panic!("{shown}: {e}"));
        let kind = match m.file_type() {
            t if t.is_dir() => EntryKind::Directory,
            t if t.is_symlink() => EntryKind::Symlink,
            t if t.is_fifo() => EntryKind::Fifo,
            t if t.is_socket() => EntryKind::Socket,
            _ => EntryKind::File,
        };
        assert_eq!(kind, c.kind, "{shown}");
        assert_eq!((m.mtime(), m.mtime_nsec()), (c.mtime.seconds, c.mtime.nanoseconds.into()), "{shown}: time");
        let mode = if target.owners || kind == EntryKind::Directory { 0o7777 } else { 0o1777 };
        assert!(kind == EntryKind::Symlink || m.mode() & mode == c.mode & mode, "{shown}: mode {:o}", m.mode());
        assert!(!target.owners || (m.uid(), m.gid()) == (c.uid, c.gid), "{shown}: owner");
        if let Some(first) = &c.link_to {
            assert_eq!(std::fs::symlink_metadata(place(first)).expect("the first name").ino(), m.ino(), "{shown}");
        }
        if let Some(target) = &c.target {
            assert_eq!(std::fs::read_link(&path).expect("a link").as_os_str().as_bytes(), target, "{shown}");
        }
        if let Some(digest) = c.whole().map(|d| d.blake3) {
            let content = std::fs::read(&path).expect("content");
            assert!(content.len() as u64 == c.size && *blake3::hash(&content).as_bytes() == digest, "{shown}: content");
            let data = c.size - c.holes.iter().map(|h| h.length).sum::<u64>();
            // A hole may come back a block smaller where the file system has larger blocks.
            assert!(m.blocks() * 512 <= data + (64 << 10), "{shown}: holes");
        }
        for (name, value) in c.xattrs.iter().filter(|_| xattrs) {
            let mut found = [0; 256];
            let n = rustix::fs::lgetxattr(&path, &name[..], &mut found[..]).expect("an attribute");
            assert_eq!(&found[..n], &value[..], "{shown}");
        }
    }
    let found = walkdir::WalkDir::new(root).min_depth(1).into_iter().count();
    let above = ["host", "host/etc"].iter().filter(|p| place(p.as_bytes()).exists()).count();
    assert_eq!(found - above, cores.len(), "nothing more than was recorded");
}

//! Everything that goes wrong while a restore runs. What can be had is brought back; what is missing is named.

use crate::tools::{Disk, Picture, assert_same, fast_folder, picture};
use crate::world::{Deck, Hospital};
use azekura::env::Env;
use azekura::event::{Event, NoObserver, Observer};
use azekura::format::object::{Id, ObjectKind};
use azekura::generation::GenerationError;
use azekura::job::backup::{self, Options};
use azekura::job::restore::{self, RestoreError, restore};
use azekura::medium::loader::MediumRequest;
use azekura::medium::tape::drive::{Drive, DriveError, ReadOutcome, WriteOutcome};
use azekura::medium::tape::simulated::Cartridge;
use azekura::medium::{ErrorCategory, Loader, Medium, MediumError, Tape};
use azekura::pipeline::target::{DiskFault, TargetError, TargetOptions};
use azekura::set::open::OpenError;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut out = vec![0; length];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut out);
    out
}

fn to_tape(h: &Hospital) -> Options {
    Options { to: Deck::path(), ..h.options() }
}

fn from_tape(h: &Hospital, to: &str) -> restore::Options {
    restore::Options { from: Deck::path(), ..h.restore_options(to) }
}

/// Counts the files below a folder that this process has open, whenever one of them is finished.
struct OpenFiles {
    below: PathBuf,
    most: AtomicUsize,
}

impl Observer for OpenFiles {
    fn on_event(&self, event: Event) {
        if !matches!(event, Event::Progress { entries: 0, .. }) {
            return;
        }
        let open = fs::read_dir("/proc/self/fd").expect("descriptors").flatten();
        let files = open.filter_map(|e| fs::read_link(e.path()).ok()).filter(|to| to.starts_with(&self.below) && to.is_file());
        self.most.fetch_max(files.count(), Ordering::Relaxed);
    }
}

/// Patients whose files begin alike: the beginning was stored long ago, the rest tonight. None is whole before the last pack is read, and
/// there are more of them than a process may have files open.
#[test]
fn more_files_in_several_packs_than_may_be_open() {
    let h = Hospital::within(fast_folder());
    h.deck.load(&Cartridge::new());
    // Longer than the longest chunk, so that it is cut.
    let form = noise(1, 100_000);
    h.write("form", &form);
    h.try_backup(&to_tape(&h)).expect("a backup");
    for i in 0..1_500 {
        h.write(&format!("ward {}/patient {i}", i % 5), [&form[..], format!("record {i}").as_bytes()].concat());
    }
    let report = h.try_backup(&to_tape(&h)).expect("a backup");
    assert!(report.added_bytes < 110_000_000, "the beginning is stored once: {}", report.added_bytes);
    let open = OpenFiles { below: h.path("restored"), most: AtomicUsize::new(0) };
    let report = h.with_env(|w| restore(&from_tape(&h, "restored"), &h.identity, w, &open)).expect("a restore");
    assert_eq!(report.findings, []);
    assert_same(&picture(&h.source()), &picture(&h.path("restored/source")), "restored");
    let most = open.most.into_inner();
    assert!((1..300).contains(&most), "{most} files were open at once");
}

/// The blocks of each pack on a cartridge, ascending: where they begin, and how many.
fn packs(cartridge: &Cartridge, set: Id) -> Vec<(u64, u64)> {
    let tape = Tape::open(Box::new(cartridge.load()), set).expect("a tape");
    let packs = tape.list().expect("objects").objects.into_iter().filter(|o| o.kind == ObjectKind::Pack);
    packs.filter_map(|o| tape.blocks(o.number)).collect()
}

/// Two nights of patients' images, the second one over several cartridges: their reports, and how the source was.
fn two_nights(h: &Hospital, cartridges: &[Cartridge], images: u64) -> [(backup::Report, Picture); 2] {
    h.deck.load(&cartridges[0]);
    h.deck.shelf.lock().expect("no panic").extend(cartridges[1..].iter().cloned());
    // Packs of some frames, of many blocks.
    let options = Options { tape_block: 16 << 10, ..to_tape(h) };
    [0..200, 200..images].map(|numbers| {
        for i in numbers {
            h.write(&format!("series/{i:04}"), noise(i, 50_000));
        }
        (h.try_backup(&options).expect("a backup"), picture(&h.source()))
    })
}

/// Restores past damage. Answers with what was not restored; all the rest is as it was.
fn lost(h: &Hospital, (night, expected): &(backup::Report, Picture)) -> BTreeSet<String> {
    h.deck.asked();
    let options = restore::Options { generation: Some(night.generation), ..from_tape(h, "restored") };
    let report = h.try_restore(&options).expect("a restore");
    let lost: BTreeSet<String> = report.findings.iter().map(|f| String::from_utf8_lossy(&f.path).into_owned()).collect();
    assert_eq!((report.not_restored, report.findings.len()), (lost.len() as u64, lost.len()));
    let name = |path: &Path| Path::new("source").join(path).display().to_string();
    let found = picture(&h.path("restored/source"));
    let left = expected.iter().filter(|(path, _)| !lost.contains(&name(path))).map(|(p, s)| (p.clone(), s.clone())).collect();
    assert_same(&left, &found, "restored past damage");
    fs::remove_dir_all(h.path("restored")).expect("cleared");
    lost
}

/// A set on two cartridges, and a bad spot in a pack on the first one. It costs what it costs where that cartridge is the only one: the
/// files in the frames that lie there.
#[test]
fn a_bad_spot_on_one_of_several_cartridges_costs_only_the_files_there() {
    let cartridges: Vec<Cartridge> = (0..2).map(|_| Cartridge::with_capacity(26_000_000, 12_000_000)).collect();
    let mut h = Hospital::within(fast_folder());
    // All of the first night in one pack.
    h.threads = 1;
    let [first, second] = two_nights(&h, &cartridges, 500);
    assert_eq!((first.0.place, second.0.place), (1, 2));
    let (at, blocks) = packs(&cartridges[0], first.0.set)[0];
    assert!(blocks > 300, "{blocks}");
    let mut files = Vec::new();
    for bad in [0, blocks / 3, blocks / 2, blocks - 1] {
        let damaged = cartridges[0].twin();
        damaged.damage(at + bad);
        *h.deck.library.lock().expect("no panic") = vec![damaged.clone(), cartridges[1].clone()];
        h.deck.load(&damaged);
        let alone = lost(&h, &first);
        h.deck.load(&cartridges[1]);
        assert_eq!(lost(&h, &second), alone, "block {bad} of {blocks}");
        files.push(alone.len());
    }
    // With the key at its beginning the whole pack is lost.
    let (all, spots) = files.split_first().expect("rounds");
    assert!(spots.iter().all(|n| (1..all / 2).contains(n)), "{files:?}");
}

/// The pack before the change of cartridges has a bad spot. It is noticed while the next cartridge is in the drive already.
#[test]
fn a_bad_spot_does_not_bring_a_cartridge_back() {
    let cartridges: Vec<Cartridge> = (0..4).map(|_| Cartridge::with_capacity(26_000_000, 12_000_000)).collect();
    let h = Hospital::within(fast_folder());
    let [_, second] = two_nights(&h, &cartridges, 800);
    assert_eq!(second.0.place, 3);
    let (at, blocks) = *packs(&cartridges[0], second.0.set).last().expect("a pack");
    cartridges[0].damage(at + blocks / 2);
    *h.deck.library.lock().expect("no panic") = cartridges.clone();
    h.deck.load(&cartridges[2]);
    let lost = lost(&h, &second);
    assert!(!lost.is_empty());
    assert_eq!(h.deck.asked().iter().map(|w| w.place).collect::<Vec<_>>(), [1, 2]);
}

/// The restore has ended well, and the power goes. What lies on the disk then, and in nobody's memory, is what was restored: on the target's
/// own disk, and on one that is mounted in it.
#[test]
fn the_power_goes_right_after_a_restore() {
    let h = Hospital::within(fast_folder());
    for i in 0..100 {
        h.write(&format!("small/{i}"), format!("record {i}"));
    }
    h.write("large", noise(1, 5_000_000));
    h.write("inside/large", noise(2, 5_000_000));
    h.backup();
    let images = ["outer", "inner"].map(|name| h.path(name));
    let folders = [h.path("restored"), h.path("restored/source/inside")];
    {
        let Some(_outer) = Disk::ext4(&folders[0], &images[0], 64 << 20) else { return };
        let Some(_inner) = Disk::ext4(&folders[1], &images[1], 64 << 20) else { return };
        let into_existing = TargetOptions { into_existing: true, owners: true, privileged: true, ..TargetOptions::default() };
        let report = h.try_restore(&restore::Options { target: into_existing, ..h.restore_options("restored") });
        // The images now, not when they have been unmounted.
        for image in &images {
            fs::copy(image, image.with_extension("after")).expect("a copy");
        }
        assert_eq!(report.expect("a restore").findings, []);
    }
    let [outer, inner] = images.map(|image| image.with_extension("after"));
    let _outer = Disk::ext4(&folders[0], &outer, 0).expect("a disk");
    let _inner = Disk::ext4(&folders[1], &inner, 0).expect("a disk");
    let mut found = picture(&h.path("restored/source"));
    found.retain(|path, _| !path.ends_with("lost+found"));
    assert_same(&picture(&h.source()), &found, "after the power cut");
}

/// A disk that takes everything and cannot keep it: the room that it promised is not there. Nothing is said before it is asked to sync.
#[test]
fn a_disk_that_loses_what_it_took_is_not_a_good_restore() {
    let h = Hospital::within(fast_folder());
    h.write("large", noise(1, 30_000_000));
    h.backup();
    let Some(_thin) = Disk::tmpfs(&h.path("thin"), "size=16m") else { return };
    let Some(_disk) = Disk::ext4(&h.path("restored"), &h.path("thin/image"), 128 << 20) else { return };
    let ended = h.try_restore(&h.restore_options("restored"));
    assert!(matches!(ended, Err(RestoreError::Target(TargetError::NotDurable { .. }))), "{ended:?}");
}

/// The target has no room. That is no damage: the restore says so, and goes on where there is more.
#[test]
fn a_target_that_is_full_is_not_called_damage() {
    let h = Hospital::within(fast_folder());
    for i in 0..40 {
        h.write(&format!("scans/{i}"), noise(i, 1_000_000));
    }
    h.write("large", noise(100, 12_000_000));
    h.backup();
    let Some(_disk) = Disk::tmpfs(&h.path("restored"), "size=16m,mode=700") else { return };
    for resume in [false, true] {
        let options = h.restore_options("restored");
        let target = TargetOptions { resume, ..options.target };
        let ended = h.try_restore(&restore::Options { target, ..options });
        let is_full = matches!(&ended, Err(RestoreError::Target(TargetError::Disk { fault: DiskFault::Full, .. })));
        assert!(is_full, "{ended:?}");
    }
    let more = ["-o", "remount,size=80m"].map(std::ffi::OsStr::new);
    let done = std::process::Command::new("mount").args(more).arg(h.path("restored")).status().expect("mount");
    assert!(done.success());
    let options = h.restore_options("restored");
    let target = TargetOptions { resume: true, ..options.target };
    let report = h.try_restore(&restore::Options { target, ..options }).expect("a restore");
    assert_eq!(report.findings, []);
    assert_same(&picture(&h.source()), &picture(&h.path("restored/source")), "resumed");
}

/// Nobody brings the second of three cartridges. That is not damage: the restore says which one it needs, and goes on when it is there.
#[test]
fn a_cartridge_is_not_on_the_shelf() {
    let cartridges: Vec<Cartridge> = (0..4).map(|_| Cartridge::with_capacity(26_000_000, 12_000_000)).collect();
    let h = Hospital::within(fast_folder());
    let [_, second] = two_nights(&h, &cartridges, 800);
    assert_eq!(second.0.place, 3);
    *h.deck.shelf.lock().expect("no panic") = Default::default();
    for paths in [vec![], vec![b"source/series".to_vec()]] {
        h.deck.load(&cartridges[2]);
        *h.deck.library.lock().expect("no panic") = cartridges[..1].to_vec();
        h.deck.asked();
        let options = restore::Options { paths, ..from_tape(&h, "restored") };
        let ended = h.try_restore(&options);
        assert!(matches!(ended, Err(RestoreError::Medium(MediumError::NotBrought { place: 2, blank: false, .. }))), "{ended:?}");
        assert_eq!(h.deck.asked().iter().map(|w| w.place).collect::<Vec<_>>(), [1, 2]);
        assert!(!picture(&h.path("restored/source")).is_empty(), "what the other cartridges have is there");

        *h.deck.library.lock().expect("no panic") = cartridges[..3].to_vec();
        h.deck.load(&cartridges[2]);
        let resume = TargetOptions { resume: true, ..options.target };
        let report = h.try_restore(&restore::Options { target: resume, ..options }).expect("a restore");
        assert_eq!(report.findings, []);
        assert_same(&second.1, &picture(&h.path("restored/source")), "resumed");
        fs::remove_dir_all(h.path("restored")).expect("cleared");
    }
}

/// A drive whose cable comes off after so many blocks.
struct Unplugged {
    inner: Box<dyn Drive>,
    left: Arc<AtomicU64>,
}

impl Unplugged {
    fn there(&mut self) -> Result<&mut dyn Drive, DriveError> {
        let is_there = self.left.load(Ordering::Relaxed) > 0;
        if is_there { Ok(&mut *self.inner) } else { Err(DriveError::Gone(rustix::io::Errno::NXIO.into())) }
    }
}

impl Drive for Unplugged {
    fn name(&self) -> String {
        self.inner.name()
    }

    fn position(&mut self) -> Result<u64, DriveError> {
        self.there()?.position()
    }

    fn locate(&mut self, address: u64) -> Result<(), DriveError> {
        self.there()?.locate(address)
    }

    fn end(&mut self) -> Result<u64, DriveError> {
        self.there()?.end()
    }

    fn back_over_filemark(&mut self) -> Result<Option<u64>, DriveError> {
        self.there()?.back_over_filemark()
    }

    fn read(&mut self, into: &mut [u8]) -> Result<ReadOutcome, DriveError> {
        let found = self.there()?.read(into);
        self.left.fetch_sub(1, Ordering::Relaxed);
        found
    }

    fn write(&mut self, block: &[u8]) -> Result<WriteOutcome, DriveError> {
        self.there()?.write(block)
    }

    fn flush(&mut self, filemarks: u32) -> Result<(), DriveError> {
        self.there()?.flush(filemarks)
    }

    fn is_write_protected(&mut self) -> Result<bool, DriveError> {
        self.there()?.is_write_protected()
    }
}

/// The deck, with such a drive.
struct LooseCable<'d> {
    deck: &'d Deck,
    left: Arc<AtomicU64>,
}

impl Loader for LooseCable<'_> {
    fn drive(&self, path: &Path) -> Result<Option<Box<dyn Drive>>, MediumError> {
        let drive = self.deck.drive(path)?;
        Ok(drive.map(|inner| Box::new(Unplugged { inner, left: self.left.clone() }) as Box<dyn Drive>))
    }

    fn bring(&self, path: &Path, wanted: &MediumRequest, wrong: Option<MediumError>) -> Result<(), MediumError> {
        match wrong {
            // Once is enough.
            Some(_) => Err(MediumError::NotBrought { path: path.to_owned(), place: wanted.place, blank: wanted.blank }),
            None => self.deck.bring(path, wanted, None),
        }
    }
}

/// The cable comes off after any number of blocks: while seals, the manifest, the entries or packs are read, from one cartridge or from the
/// second of two. It is never taken for damage, and with the cable in place the restore goes on.
#[test]
fn a_cable_comes_off_while_a_restore_reads() {
    let cartridges: Vec<Cartridge> = (0..3).map(|_| Cartridge::with_capacity(26_000_000, 12_000_000)).collect();
    let h = Hospital::within(fast_folder());
    let nights = two_nights(&h, &cartridges, 500);
    *h.deck.library.lock().expect("no panic") = cartridges[..2].to_vec();
    for (at_hand, (night, expected)) in cartridges.iter().zip(&nights) {
        let restore = |blocks: u64, target: TargetOptions| {
            h.deck.load(at_hand);
            let left = Arc::new(AtomicU64::new(blocks));
            let loader = LooseCable { deck: &h.deck, left: left.clone() };
            let options = restore::Options { generation: Some(night.generation), target, ..from_tape(&h, "restored") };
            let ended = h.with_env(|w| restore(&options, &h.identity, &Env { loader: &loader, ..*w }, &NoObserver));
            (ended, blocks - left.load(Ordering::Relaxed))
        };
        let options = from_tape(&h, "restored").target;
        let (whole, blocks) = restore(u64::MAX, options);
        assert_eq!(whole.expect("a restore").findings, []);
        fs::remove_dir_all(h.path("restored")).expect("cleared");
        for after in (0..40).chain((1..30).map(|i| blocks * i / 30)) {
            let (ended, _) = restore(after, options);
            let e = ended.expect_err("a cable that is off");
            let e = match &e {
                RestoreError::Open(OpenError::Medium(e))
                | RestoreError::Medium(e)
                | RestoreError::Generation(GenerationError::Medium(e)) => e,
                e => panic!("after {after} of {blocks} blocks: {e:?}"),
            };
            assert_eq!(e.category(), ErrorCategory::Medium, "after {after} of {blocks} blocks: {e:?}");
            let (resumed, _) = restore(u64::MAX, TargetOptions { resume: true, ..options });
            assert_eq!(resumed.expect("a restore").findings, [], "after {after} of {blocks} blocks");
            assert_same(expected, &picture(&h.path("restored/source")), "resumed");
            fs::remove_dir_all(h.path("restored")).expect("cleared");
        }
    }
}

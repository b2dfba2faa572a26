//! Whether a drive is fed as fast as it takes: a backup onto a tape drive in memory that accepts 512 KiB blocks no faster than an LTO-9 drive.
//!
//!     cargo bench --bench streaming [-- MB_PER_SECOND [SOURCE...]]
//!
//! 400 MB/s and 3 GiB that do not compress when nothing is said. Under-runs are times when the buffer in front of the drive ran empty.

use azekura::env::Env;
use azekura::event::NoObserver;
use azekura::format::cbor::Time;
use azekura::job::backup::{NewSetOptions, Options, SourceOptions, backup};
use azekura::medium::loader::MediumRequest;
use azekura::medium::tape::drive::{Drive, DriveError, ReadOutcome, WriteOutcome};
use azekura::medium::tape::simulated::{Cartridge, SimulatedDrive};
use azekura::medium::{Loader, MediumError};
use azekura::pipeline::encryptor::Identity;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// As in the job that feeds it.
const DRIVE_BUFFER: Duration = Duration::from_millis(250);

/// Takes blocks at a set rate, as a drive does whose tape runs; what comes faster has to wait.
struct Paced {
    drive: SimulatedDrive,
    bytes_per_second: f64,
    free: Instant,
}

impl Drive for Paced {
    fn name(&self) -> String {
        "paced".into()
    }

    fn position(&mut self) -> Result<u64, DriveError> {
        self.drive.position()
    }

    fn locate(&mut self, address: u64) -> Result<(), DriveError> {
        self.drive.locate(address)
    }

    fn end(&mut self) -> Result<u64, DriveError> {
        self.drive.end()
    }

    fn back_over_filemark(&mut self) -> Result<Option<u64>, DriveError> {
        self.drive.back_over_filemark()
    }

    fn read(&mut self, into: &mut [u8]) -> Result<ReadOutcome, DriveError> {
        self.drive.read(into)
    }

    fn write(&mut self, block: &[u8]) -> Result<WriteOutcome, DriveError> {
        let now = Instant::now();
        // A block's time begins when the one before is on the tape. A drive's own buffer makes up for what we oversleep.
        let earliest = now.checked_sub(DRIVE_BUFFER).unwrap_or(now);
        self.free = self.free.max(earliest) + Duration::from_secs_f64(block.len() as f64 / self.bytes_per_second);
        let room = self.drive.write(block)?;
        // Sleeping is coarse: a few blocks may be ahead.
        let ahead = self.free.saturating_duration_since(Instant::now());
        if ahead > Duration::from_millis(5) {
            std::thread::sleep(ahead);
        }
        Ok(room)
    }

    fn flush(&mut self, filemarks: u32) -> Result<(), DriveError> {
        self.drive.flush(filemarks)
    }

    fn is_write_protected(&mut self) -> Result<bool, DriveError> {
        self.drive.is_write_protected()
    }
}

struct Deck {
    cartridge: Cartridge,
    bytes_per_second: f64,
}

impl Loader for Deck {
    fn drive(&self, path: &Path) -> Result<Option<Box<dyn Drive>>, MediumError> {
        let paced = || Paced { drive: self.cartridge.load(), bytes_per_second: self.bytes_per_second, free: Instant::now() };
        Ok((path == Path::new("/dev/paced")).then(|| Box::new(paced()) as Box<dyn Drive>))
    }

    fn bring(&self, path: &Path, wanted: &MediumRequest, _: Option<MediumError>) -> Result<(), MediumError> {
        Err(MediumError::NotBrought { path: path.to_owned(), place: wanted.place, blank: wanted.blank })
    }
}

fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time { seconds: since.as_secs() as i64, nanoseconds: since.subsec_nanos() }
}

/// What does not compress.
fn noise(folder: &Path, gib: u64) -> PathBuf {
    let mut file = File::create(folder.join("noise")).expect("a file");
    let mut reader = blake3::Hasher::new().update(b"streaming").finalize_xof();
    let mut buffer = vec![0; 16 << 20];
    for _ in 0..gib * 64 {
        reader.fill(&mut buffer);
        file.write_all(&buffer).expect("room");
    }
    folder.to_owned()
}

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|a| !a.starts_with("--"));
    let megabytes: f64 = arguments.next().map_or(400.0, |a| a.parse().expect("MB/s"));
    let folder = tempfile::tempdir().expect("a folder");
    let mut sources: Vec<PathBuf> = arguments.map(PathBuf::from).collect();
    if sources.is_empty() {
        let made = folder.path().join("source");
        std::fs::create_dir(&made).expect("a folder");
        sources.push(noise(&made, 3));
    }
    println!(
        "| source | offered MB/s | drive MB/s | under-runs | lowest buffer, packs | buffer, packs | seconds in all |\n|---|---|---|---|---|---|---|"
    );
    for (n, source) in sources.iter().enumerate() {
        let deck = Deck { cartridge: Cartridge::new(), bytes_per_second: megabytes * 1e6 };
        let random = |b: &mut [u8]| getrandom::fill(b).expect("randomness");
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let interrupted = AtomicBool::new(false);
        let env = Env { now: &now, random: &random, host: "host", loader: &deck, interrupted: &interrupted, threads };
        let source_options = SourceOptions::new("source", source.clone());
        let mut options = Options::new(folder.path().join(format!("state {n}")), "/dev/paced", vec![source_options]);
        options.init = Some(NewSetOptions::new("bench", Identity::generate().recipients().texts().to_vec()));
        options.memory_bytes = (1024 + 96) << 20;
        let begun = Instant::now();
        let report = backup(&options, &env, &NoObserver).expect("a backup");
        let s = report.streaming.expect("a tape");
        let rate = s.bytes as f64 / 1e6 / (s.nanoseconds as f64 / 1e9);
        println!(
            "| {} | {megabytes} | {rate:.0} | {} | {} | {} | {:.1} |",
            source.file_name().unwrap_or_default().display(),
            s.under_runs,
            s.lowest_packs,
            s.buffer_packs,
            begun.elapsed().as_secs_f64()
        );
    }
}

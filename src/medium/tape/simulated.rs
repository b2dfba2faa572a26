//! A drive and its cartridge in memory, which behave as Linux's `st` driver over an LTO drive does. Only for tests,
//! behind the feature `simulated`.

use super::drive::{Drive, DriveError, ReadOutcome, WriteOutcome};
use parking_lot::{Mutex, MutexGuard};
use std::sync::Arc;

/// What is at one address.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Mark {
    Block(Vec<u8>),
    Filemark,
}

#[derive(Debug, Clone, Default)]
struct Reel {
    marks: Vec<Mark>,
    /// Blocks and filemarks that a flush has made durable.
    durable: usize,
    capacity_bytes: Option<u64>,
    early_warning_bytes: u64,
    write_protected: bool,
    /// Addresses that cannot be read.
    bad: Vec<u64>,
    /// Writing fails from this address on.
    fails_from: Option<u64>,
    /// It was taken out of the drive.
    is_out: bool,
    /// The next read fails, with the tape rewound.
    was_reset: bool,
    /// Every locate, in order: from, to.
    locates: Vec<(u64, u64)>,
}

/// A cartridge. The test keeps it while a drive uses it: clones are the same cartridge.
#[derive(Debug, Clone, Default)]
pub struct Cartridge(Arc<Mutex<Reel>>);

impl Cartridge {
    /// A blank cartridge without a limit.
    pub fn new() -> Self {
        Self::default()
    }

    /// A blank cartridge with room for so many bytes, and early warning so many bytes before its end.
    pub fn with_capacity(capacity_bytes: u64, early_warning_bytes: u64) -> Self {
        let cartridge = Self::new();
        let mut reel = cartridge.reel();
        (reel.capacity_bytes, reel.early_warning_bytes) = (Some(capacity_bytes), early_warning_bytes);
        drop(reel);
        cartridge
    }

    fn reel(&self) -> MutexGuard<'_, Reel> {
        self.0.lock()
    }

    /// Another cartridge with the same content.
    pub fn twin(&self) -> Self {
        Self(Arc::new(Mutex::new(self.reel().clone())))
    }

    /// Moves the write-protect switch.
    pub fn write_protect(&self, on: bool) {
        self.reel().write_protected = on;
    }

    /// The block at this address cannot be read any more.
    pub fn damage(&self, address: u64) {
        self.reel().bad.push(address);
    }

    /// No block can be written at this address or behind it.
    pub fn fail_writes_from(&self, address: Option<u64>) {
        self.reel().fails_from = address;
    }

    /// Somebody takes it out of the drive.
    pub fn take_out(&self) {
        self.reel().is_out = true;
    }

    /// Somebody puts another cartridge into the drive, behind the back of whoever has it open.
    pub fn swap(&self, other: &Self) {
        let other = other.reel().clone();
        *self.reel() = other;
    }

    /// The drive has no power for a moment, while nothing is being written.
    pub fn reset_drive(&self) {
        self.reel().was_reset = true;
    }

    /// The power fails: of what no flush has made durable, only the first `kept` blocks and filemarks survive.
    pub fn power_cut(&self, kept: usize) {
        let mut reel = self.reel();
        let surviving = reel.durable + kept;
        reel.marks.truncate(surviving);
        reel.durable = reel.marks.len();
    }

    /// Writes a block of another program.
    pub fn record(&self, block: &[u8]) {
        let mut reel = self.reel();
        reel.marks.push(Mark::Block(block.to_vec()));
        reel.durable = reel.marks.len();
    }

    /// Writes a filemark of another program.
    pub fn record_filemark(&self) {
        let mut reel = self.reel();
        reel.marks.push(Mark::Filemark);
        reel.durable = reel.marks.len();
    }

    /// Blocks and filemarks on the tape.
    pub fn end(&self) -> u64 {
        self.reel().marks.len() as u64
    }

    /// The bytes of the blocks from one address to another: what `dd` would copy.
    pub fn copy(&self, from: u64, to: u64) -> Vec<u8> {
        let reel = self.reel();
        let mut out = Vec::new();
        for mark in &reel.marks[from as usize..to as usize] {
            if let Mark::Block(block) = mark {
                out.extend_from_slice(block);
            }
        }
        out
    }

    /// How many filemarks are on the tape.
    pub fn filemarks(&self) -> usize {
        self.reel().marks.iter().filter(|m| **m == Mark::Filemark).count()
    }

    /// Every locate since the last call, as (from, to).
    pub fn take_locates(&self) -> Vec<(u64, u64)> {
        std::mem::take(&mut self.reel().locates)
    }

    /// A drive with this cartridge in it, rewound.
    pub fn load(&self) -> SimulatedDrive {
        self.reel().is_out = false;
        SimulatedDrive { cartridge: self.clone(), at: 0 }
    }
}

/// See [`Cartridge::load`].
#[derive(Debug)]
pub struct SimulatedDrive {
    cartridge: Cartridge,
    at: u64,
}

fn failed() -> DriveError {
    DriveError::Failed(std::io::Error::from_raw_os_error(rustix::io::Errno::IO.raw_os_error()))
}

impl Drive for SimulatedDrive {
    fn name(&self) -> String {
        "simulated drive".into()
    }

    fn position(&mut self) -> Result<u64, DriveError> {
        Ok(self.at)
    }

    fn locate(&mut self, address: u64) -> Result<(), DriveError> {
        let mut reel = self.cartridge.reel();
        if reel.is_out {
            return Err(DriveError::Empty);
        }
        reel.locates.push((self.at, address));
        let end = reel.marks.len() as u64;
        self.at = address.min(end);
        if address > end { Err(failed()) } else { Ok(()) }
    }

    fn end(&mut self) -> Result<u64, DriveError> {
        if self.cartridge.reel().is_out {
            return Err(DriveError::Empty);
        }
        self.at = self.cartridge.end();
        Ok(self.at)
    }

    fn back_over_filemark(&mut self) -> Result<Option<u64>, DriveError> {
        let reel = self.cartridge.reel();
        let before = &reel.marks[..self.at as usize];
        let at = before.iter().rposition(|m| *m == Mark::Filemark).map(|i| i as u64);
        self.at = at.unwrap_or(0);
        Ok(at)
    }

    fn read(&mut self, into: &mut [u8]) -> Result<ReadOutcome, DriveError> {
        let mut reel = self.cartridge.reel();
        if reel.is_out {
            return Err(DriveError::Empty);
        }
        if std::mem::take(&mut reel.was_reset) {
            self.at = 0;
            return Err(failed());
        }
        let Some(mark) = reel.marks.get(self.at as usize) else { return Ok(ReadOutcome::EndOfData) };
        if reel.bad.contains(&self.at) {
            return Err(failed());
        }
        self.at += 1;
        match mark {
            Mark::Filemark => Ok(ReadOutcome::Filemark),
            Mark::Block(block) if block.len() > into.len() => Err(DriveError::TooLong { limit: into.len() }),
            Mark::Block(block) => {
                into[..block.len()].copy_from_slice(block);
                Ok(ReadOutcome::Block(block.len()))
            }
        }
    }

    fn write(&mut self, block: &[u8]) -> Result<WriteOutcome, DriveError> {
        let mut reel = self.cartridge.reel();
        if reel.write_protected {
            return Err(DriveError::WriteProtected);
        }
        if reel.fails_from.is_some_and(|from| from <= self.at) {
            return Err(failed());
        }
        let at = self.at as usize;
        reel.marks.truncate(at);
        reel.durable = reel.durable.min(at);
        let used: u64 = reel.marks.iter().map(|m| if let Mark::Block(b) = m { b.len() as u64 } else { 0 }).sum();
        let free = reel.capacity_bytes.map_or(u64::MAX, |c| c.saturating_sub(used));
        if free < block.len() as u64 {
            return Err(DriveError::Full);
        }
        reel.marks.push(Mark::Block(block.to_vec()));
        self.at += 1;
        let is_near_end = free - (block.len() as u64) < reel.early_warning_bytes;
        Ok(if is_near_end { WriteOutcome::EarlyWarning } else { WriteOutcome::Written })
    }

    fn flush(&mut self, filemarks: u32) -> Result<(), DriveError> {
        let mut reel = self.cartridge.reel();
        if filemarks > 0 {
            if reel.write_protected {
                return Err(DriveError::WriteProtected);
            }
            let at = self.at as usize;
            reel.marks.truncate(at);
            for _ in 0..filemarks {
                reel.marks.push(Mark::Filemark);
                self.at += 1;
            }
        }
        reel.durable = reel.marks.len();
        Ok(())
    }

    fn is_write_protected(&mut self) -> Result<bool, DriveError> {
        Ok(self.cartridge.reel().write_protected)
    }
}

//! The collector: brings stored batches back into order, and writes their records as soon as their packs have numbers.

use super::Result;
use super::entries::{FurtherNames, HardLink, StoredBatch, StoredEntry};
use super::entry_stream::{CollectedStream, EntryStreamWriter};
use super::pack_queue::PackSender;
use super::stop::Stop;
use super::tally::BackupTally;
use super::wakeup::{Wakeup, WakeupReceiver};
use crate::event::FindingKind;
use crate::format::entry::Entry;
use crate::pipeline::place;
use crossbeam_channel::{Receiver, select};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::slice::from_ref;

/// Entries that may wait for their packs. Beyond that, or beyond the bytes that their records may take, the merge waits and the workers finish their open packs.
const WAITING_ENTRIES: usize = 100_000;

/// The collector's channels.
pub struct CollectorChannels<'a> {
    /// From the merge and the workers.
    pub stored: Receiver<StoredBatch>,
    /// From the appender: a pack has its number.
    pub numbered: WakeupReceiver,
    /// The merge has sent one message into it for each batch that is not collected yet, and waits while it is full.
    pub in_flight: Receiver<()>,
    /// To each worker: finish the open pack.
    pub finish_packs: Vec<Wakeup>,
    /// Where packs wait for their numbers.
    pub packs: &'a PackSender,
}

/// The collector of a run.
pub struct Collector<'a> {
    channels: CollectorChannels<'a>,
    stream: EntryStreamWriter<'a>,
    tally: &'a BackupTally<'a>,
    stop: &'a Stop<'a>,
    /// Batches that came before their turn, by their sequence.
    early: BTreeMap<u64, Vec<StoredEntry>>,
    /// The sequence of the next batch.
    next: u64,
    /// Entries that wait for their turn or their packs, in the order of the stream.
    waiting: VecDeque<StoredEntry>,
    /// Bytes of their records, and how many may wait.
    waiting_bytes: u64,
    most_bytes: u64,
    /// Pieces of the first of them whose packs are known to have numbers.
    numbered_pieces: usize,
    /// Entries that were ever in `waiting`, and how many of them are written.
    collected: u64,
    written: u64,
    /// `collected` when the workers were last asked to finish their packs: up to here, no entry needs a pack that is
    /// still open.
    asked_at: u64,
    /// Batches that are collected and still count as in flight, so that the merge waits.
    withheld: usize,
    /// First names whose further names are still to come.
    first_names: HashMap<Vec<u8>, Entry>,
}

impl<'a> Collector<'a> {
    pub fn new(
        channels: CollectorChannels<'a>,
        stream: EntryStreamWriter<'a>,
        tally: &'a BackupTally<'a>,
        stop: &'a Stop<'a>,
        most_bytes: u64,
    ) -> Self {
        Self {
            channels,
            stream,
            tally,
            stop,
            early: BTreeMap::new(),
            next: 0,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            most_bytes,
            numbered_pieces: 0,
            collected: 0,
            written: 0,
            asked_at: 0,
            withheld: 0,
            first_names: HashMap::new(),
        }
    }

    /// Collects until merge and workers are done, then ends the entry stream.
    pub fn collect(mut self) -> Result<CollectedStream> {
        loop {
            select! {
                recv(self.channels.stored) -> batch => match batch {
                    Ok(batch) => self.accept(batch),
                    Err(_) => break,
                },
                recv(self.channels.numbered.messages()) -> woken => {
                    woken.map_err(|_| self.stop.reason())?;
                    self.channels.numbered.received();
                }
                recv(self.stop.stopped()) -> _ => return Err(self.stop.reason()),
            }
            self.stop.check()?;
            self.write_ready()?;
            self.bound_waiting()?;
        }
        if !self.early.is_empty() {
            return Err(self.stop.reason());
        }
        // All workers have finished their packs by now, and these are on their way to the medium.
        self.channels.packs.set_urgent(true);
        self.write_ready()?;
        while !self.waiting.is_empty() {
            self.finish_own_pack()?;
            select! {
                recv(self.channels.numbered.messages()) -> woken => {
                    woken.map_err(|_| self.stop.reason())?;
                    self.channels.numbered.received();
                }
                recv(self.stop.stopped()) -> _ => return Err(self.stop.reason()),
            }
            self.stop.check()?;
            self.write_ready()?;
        }
        self.stream.finish()
    }

    fn accept(&mut self, batch: StoredBatch) {
        self.early.insert(batch.sequence, batch.entries);
        while let Some(entries) = self.early.remove(&self.next) {
            self.collected += entries.len() as u64;
            self.waiting_bytes += entries.iter().map(StoredEntry::record_bytes).sum::<u64>();
            self.waiting.extend(entries);
            self.next += 1;
            self.withheld += 1;
        }
    }

    /// **Invariant:** what waits is bounded, and never for good. While too many entries wait, the merge sends no more
    /// batches. Each entry in `waiting` needs only packs that were begun before it came, and every packer finishes its
    /// pack once after it was asked. Whenever the first entry is one that came after the last request, they are asked
    /// again.
    fn bound_waiting(&mut self) -> Result<()> {
        let too_many = self.waiting.len() > WAITING_ENTRIES || self.waiting_bytes > self.most_bytes;
        self.channels.packs.set_urgent(too_many);
        if !too_many {
            let released = self.channels.in_flight.try_iter().take(self.withheld).count();
            self.withheld -= released;
            return Ok(());
        }
        if self.written >= self.asked_at {
            self.asked_at = self.collected;
            self.channels.finish_packs.iter().for_each(Wakeup::wake);
        }
        self.finish_own_pack()
    }

    /// Finishes the entry stream's own pack if the first entry waits for it: a file may have content that the stream
    /// has too.
    fn finish_own_pack(&mut self) -> Result<()> {
        match self.waiting.front() {
            Some(StoredEntry::Stored { pieces, .. })
                if pieces.get(self.numbered_pieces).is_some_and(|p| self.stream.chunks.packer.is_open(&p.place)) =>
            {
                self.stream.chunks.finish_pack()
            }
            _ => Ok(()),
        }
    }

    /// Whether the packs of the first entry have numbers.
    fn is_first_ready(&mut self) -> bool {
        let Some(first) = self.waiting.front() else { return false };
        let StoredEntry::Stored { pieces, .. } = first else { return true };
        while let Some(piece) = pieces.get(self.numbered_pieces) {
            if !place::are_finished(from_ref(piece)) {
                return false;
            }
            self.numbered_pieces += 1;
        }
        true
    }

    /// Writes the records at the head of the queue whose packs have numbers.
    fn write_ready(&mut self) -> Result<()> {
        while self.is_first_ready() {
            let Some(first) = self.waiting.pop_front() else { break };
            self.numbered_pieces = 0;
            self.written += 1;
            self.waiting_bytes -= first.record_bytes();
            match first {
                StoredEntry::Unchanged(unchanged) => {
                    let mut at = 0;
                    for (length, core_bytes) in unchanged.records {
                        let record = &unchanged.bytes[at..at + 4 + length as usize];
                        at += record.len();
                        if unchanged.further_names == FurtherNames::Follow {
                            let (entry, _) = Entry::decode(&record[4..])?;
                            self.first_names.insert(entry.core.path.clone(), entry);
                        }
                        self.stream.write(record, core_bytes as usize)?;
                    }
                }
                StoredEntry::Stored { core, pieces, further_names } => {
                    let entry = Entry { core: *core, extents: place::extents(&pieces) };
                    self.stream.write_entry(&entry)?;
                    if further_names == FurtherNames::Follow {
                        self.first_names.insert(entry.core.path.clone(), entry);
                    }
                }
                StoredEntry::Link(link) => self.write_link(link)?,
            }
        }
        Ok(())
    }

    /// Further names share everything with the first but the path: they are the same inode.
    fn write_link(&mut self, link: HardLink) -> Result<()> {
        let HardLink { path, first, is_last } = link;
        let names = &mut self.first_names;
        let entry = if is_last { names.remove(&first[..]) } else { names.get(&first[..]).cloned() };
        match entry {
            Some(mut entry) => {
                entry.core.link_to = Some(first.to_vec());
                entry.core.path = path;
                self.stream.write_entry(&entry)
            }
            // Its first name vanished before it was read; the next run reads the file under this one.
            None => {
                self.tally.finding(FindingKind::Vanished, &path, String::new());
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::buffer::Buffers;
    use crate::event::NoObserver;
    use crate::format::entry::{Core, EntryKind};
    use crate::format::object::Id;
    use crate::format::pack::ChunkId;
    use crate::format::set_key::SetKey;
    use crate::host::catalog::Catalog;
    use crate::job::backup::chunk_store::ChunkStore;
    use crate::job::backup::entries::UnchangedRecords;
    use crate::job::backup::pack_queue::pack_queue;
    use crate::job::backup::wakeup::wakeup;
    use crate::pipeline::chunker::Chunker;
    use crate::pipeline::compressor::CompressionLevel;
    use crate::pipeline::dedup_index::DedupIndex;
    use crate::pipeline::encryptor::Identity;
    use crate::pipeline::hasher::Ids;
    use crate::pipeline::pack_hasher::PackHasher;
    use crate::pipeline::packer::Packer;
    use crate::pipeline::place::PlacedChunk;
    use crossbeam_channel::bounded;
    use std::sync::atomic::AtomicBool;

    /// While too many entries wait for the pack of the first one, the merge waits, and the workers are asked once.
    #[test]
    fn entries_that_wait_are_bounded_and_never_wait_for_good() {
        let dir = tempfile::tempdir().expect("a folder");
        let catalog = Catalog::open(&dir.path().join("catalog")).expect("a catalog");
        let row = catalog.add_set(Id([1; 16]), "set", "").expect("a set");
        let (key, interrupted) = (SetKey([1; 32]), AtomicBool::new(false));
        let (ids, chunker, stop, tally) =
            (Ids::new(&key), Chunker::new(&key.0), Stop::new(&interrupted), BackupTally::new(&NoObserver));
        let (known, recipients, effort) = (DedupIndex::new(0), Identity::generate().recipients(), CompressionLevel::new(Some(1)));
        let (packs, queued) = pack_queue(4);
        let sink = |pack| packs.send(pack, &effort);
        let hasher = PackHasher::new(true, &sink);
        let packer = || Packer::new(&recipients, &effort, 1 << 20, &Buffers::default(), &hasher).expect("a packer");
        let lookup = catalog.chunk_lookup(row, 0).expect("a lookup");
        let chunks = ChunkStore { ids: &ids, known: &known, lookup, packer: packer() };
        let copy = tempfile::tempfile().expect("a file");
        let stream = EntryStreamWriter::new(&chunker, chunks, false, [2; 32], &tally, &stop, copy);
        let (_stored, stored) = bounded(1);
        let (_numbered, numbered) = wakeup();
        let (merge, in_flight) = bounded(2);
        let (finish_pack, asked) = wakeup();
        let channels = CollectorChannels { stored, numbered, in_flight, finish_packs: vec![finish_pack], packs: &packs };
        let mut collector = Collector::new(channels, stream, &tally, &stop, 1 << 30);

        // A worker's open pack has the content of the first entry; all others could be written.
        let mut worker = packer();
        let place = worker.next_place(1).expect("a place");
        worker.add(ChunkId([1; 16]), b"1");
        let core = Box::new(Core::new(b"first".to_vec(), EntryKind::File));
        let first =
            StoredEntry::Stored { core, pieces: vec![PlacedChunk { place, length: 1 }], further_names: FurtherNames::None };
        let others = (0..WAITING_ENTRIES).map(|_| StoredEntry::Unchanged(UnchangedRecords::default()));
        let mut step = |batch: Option<StoredBatch>| {
            if let Some(batch) = batch {
                merge.send(()).expect("the collector is there");
                collector.accept(batch);
            }
            collector.write_ready().expect("written");
            collector.bound_waiting().expect("bounded");
            (collector.waiting.len(), merge.len())
        };
        // The second batch has to wait for the first.
        assert_eq!(step(Some(StoredBatch { sequence: 1, entries: others.collect() })), (0, 1));
        assert_eq!(step(Some(StoredBatch { sequence: 0, entries: vec![first] })), (WAITING_ENTRIES + 1, 2));
        assert!(asked.poll() && !queued.level().1, "the workers finish their packs, and these are appended at once");
        assert_eq!(step(None), (WAITING_ENTRIES + 1, 2));
        assert!(!asked.poll(), "once is enough");
        worker.finish().expect("a pack");
        queued.try_receive().expect("the pack").set_number(1);
        assert_eq!(step(None), (0, 0));
        assert!(!asked.poll() && queued.level().1);
    }
}

use super::*;
use proptest::prelude::*;

const CLASSES: [ChunkClass; 4] = [ChunkClass::Entries, ChunkClass::Data, ChunkClass::Large, ChunkClass::Huge];

/// Section 12 word for word, without the module's code.
struct Definition {
    s: [u16; 256],
    k: [u64; 9],
}

impl Definition {
    fn new(set_key: &[u8; 32]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("azekura 1 chunker");
        let mut stream = hasher.update(set_key).finalize_xof();
        let mut eight = || {
            let mut bytes = [0; 8];
            stream.fill(&mut bytes);
            bytes
        };
        let s = loop {
            let r = eight();
            let s: [u16; 256] = std::array::from_fn(|b| {
                let parity = |row: u8| u16::from((row & b as u8).count_ones() % 2 == 1);
                (0..8).map(|i| parity(r[i]) << i).sum()
            });
            // A matrix is singular if it sends something besides zero to zero.
            if s[1..].iter().all(|image| *image != 0) {
                break s;
            }
        };
        Self { s, k: std::array::from_fn(|_| u64::from_le_bytes(eight())) }
    }

    fn h(&self, b: &[u8], p: usize) -> i16 {
        (0..16).fold(0, |sum: u16, j| sum.wrapping_add(self.s[usize::from(b[p - 1 - j])] << j)).cast_signed()
    }

    fn t(&self, b: &[u8], p: usize) -> u64 {
        let mut t = self.k[8];
        for i in 0..8 {
            let w = u64::from_le_bytes(b[p - 64 + 8 * i..p - 56 + 8 * i].try_into().unwrap());
            t = (t ^ w).wrapping_mul(self.k[i] | 1);
            t ^= t >> 32;
        }
        t
    }

    fn cut(&self, min: usize, max: usize, b: &[u8]) -> usize {
        if b.len() <= max {
            return b.len();
        }
        let mut best = None;
        let mut ties = 0;
        for p in min..=max {
            let h = self.h(b, p);
            if h < 0x6000 {
                continue;
            }
            match best {
                Some((_, top)) if h < top => {}
                Some((held, top)) if h == top => {
                    if ties < 64 {
                        ties += 1;
                        if self.t(b, p) > self.t(b, held) {
                            best = Some((p, h));
                        }
                    }
                }
                _ => (best, ties) = (Some((p, h)), 0),
            }
        }
        best.map_or(max, |(p, _)| p)
    }
}

/// A chunker for each kernel that this processor has.
fn chunkers(key: &[u8; 32]) -> Vec<Chunker> {
    Kernel::ALL.into_iter().filter_map(|k| Chunker::with_kernel(key, k)).collect()
}

#[test]
fn kernels_that_are_not_tried_are_reported() {
    for kernel in Kernel::ALL.into_iter().filter(|k| !k.is_available()) {
        crate::machine::skipped(format!("the kernel {kernel:?} of the chunker: not this processor's"));
    }
}

fn lengths(class: ChunkClass, data: &[u8], cut: impl Fn(&[u8]) -> usize) -> Vec<usize> {
    let mut at = 0;
    let mut all = Vec::new();
    while at < data.len() {
        let len = cut(&data[at..]);
        assert!(len <= class.max() && (len >= class.min() || at + len == data.len()), "a chunk of {len} at {at}");
        all.push(len);
        at += len;
    }
    all
}

/// The inputs of the known answers. `stream` is BLAKE3's extendable output for the bytes of `name`, key-less.
fn input(name: &str, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    let mut stream = blake3::Hasher::new().update(name.as_bytes()).finalize_xof();
    match name.trim_end_matches(char::is_numeric) {
        "random" => stream.fill(&mut bytes),
        "letters" => {
            stream.fill(&mut bytes);
            bytes.iter_mut().for_each(|b| *b = b'a' + *b % 16);
        }
        "byte" => bytes.fill(number(name) as u8),
        "period" => {
            let mut period = vec![0; number(name)];
            stream.fill(&mut period);
            bytes.iter_mut().zip(period.into_iter().cycle()).for_each(|(b, p)| *b = p);
        }
        other => panic!("no input {other}"),
    }
    bytes
}

fn number(name: &str) -> usize {
    name.trim_start_matches(char::is_alphabetic).parse().unwrap()
}

#[test]
fn known_answers() {
    let written = include_str!("../../../tests/golden/chunker.txt");
    let key: [u8; 32] = std::array::from_fn(|i| i as u8);
    let definition = Definition::new(&key);
    let mut made = String::new();
    for line in written.lines() {
        let Some((case, answer)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) else {
            made += &format!("{line}\n");
            continue;
        };
        let [class, name, len] = case.split(' ').collect::<Vec<_>>()[..] else { panic!("not a case: {line}") };
        let class = CLASSES.into_iter().find(|c| format!("{c:?}").eq_ignore_ascii_case(class)).unwrap();
        let data = input(name, len.parse().unwrap());
        let truth = lengths(class, &data, |rest| definition.cut(class.min(), class.max(), rest));
        for chunker in chunkers(&key) {
            let got = lengths(class, &data, |rest| chunker.cut(class, rest, true).unwrap());
            assert_eq!(got, truth, "{case} with {:?}", chunker.kernel());
        }
        let truth = truth.iter().map(usize::to_string).collect::<Vec<_>>().join(" ");
        assert!(answer == truth || answer == "?", "{case} = {truth}");
        made += &format!("{case} = {truth}\n");
    }
    assert!(written == made, "the answers that are missing:\n{made}");
}

#[derive(Debug, Clone)]
enum Data {
    Random,
    Byte(u8),
    Text,
    Period(usize),
    /// Random bytes of so few values that hashes repeat.
    Narrow(u8),
    /// Parts of all of these.
    Mixed,
}

fn fill(kind: &Data, seed: u64, bytes: &mut [u8]) {
    const WORDS: [&str; 8] = ["patient", "0.25", "\"resourceType\":", "Observation", "\n", "INSERT INTO ", "2026-01-01T", " "];
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32
    };
    match kind {
        Data::Random => bytes.iter_mut().for_each(|b| *b = next() as u8),
        Data::Byte(byte) => bytes.fill(*byte),
        Data::Narrow(mask) => bytes.iter_mut().for_each(|b| *b = next() as u8 & mask),
        Data::Period(n) => {
            let period: Vec<u8> = (0..*n).map(|_| next() as u8).collect();
            bytes.iter_mut().zip(period.iter().cycle()).for_each(|(b, p)| *b = *p);
        }
        Data::Text => {
            let mut rest = bytes;
            while !rest.is_empty() {
                let word = WORDS[next() as usize % WORDS.len()].as_bytes();
                let (here, after) = rest.split_at_mut(word.len().min(rest.len()));
                here.copy_from_slice(&word[..here.len()]);
                rest = after;
            }
        }
        Data::Mixed => {
            let mut rest = bytes;
            while !rest.is_empty() {
                let (here, after) = rest.split_at_mut((next() as usize % 5000 + 1).min(rest.len()));
                let kind = [Data::Random, Data::Byte(0), Data::Text, Data::Period(next() as usize % 90 + 1), Data::Narrow(3)];
                fill(&kind[next() as usize % 5], next(), here);
                rest = after;
            }
        }
    }
}

fn data() -> impl Strategy<Value = Data> {
    prop_oneof![
        2 => Just(Data::Random),
        1 => any::<u8>().prop_map(Data::Byte),
        2 => Just(Data::Text),
        2 => prop_oneof![1..80usize, Just(256), Just(1024), Just(4096), 80..5000usize].prop_map(Data::Period),
        1 => prop_oneof![Just(1), Just(3), Just(0x11)].prop_map(Data::Narrow),
        3 => Just(Data::Mixed),
    ]
}

/// Lengths around the limits of a class, and any others.
fn length(class: ChunkClass) -> impl Strategy<Value = usize> {
    let (min, max) = (class.min(), class.max());
    prop_oneof![1..=3usize, min - 1..=min + 1, max - 1..=max + 2, max + 1..=max + 200, 1..3 * max]
}

/// Mostly the smallest class: the definition is slow.
fn class() -> impl Strategy<Value = ChunkClass> {
    prop_oneof![12 => Just(ChunkClass::Entries), 3 => Just(ChunkClass::Data), 1 => Just(ChunkClass::Large)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn each_kernel_is_the_definition(
        (class, len) in class().prop_flat_map(|c| (Just(c), length(c))),
        kind in data(), seed: u64, key: [u8; 32], shift in 0..64usize,
    ) {
        let mut bytes = vec![0; shift + len];
        fill(&kind, seed, &mut bytes);
        let bytes = &bytes[shift..];
        let definition = Definition::new(&key);
        let truth = lengths(class, bytes, |rest| definition.cut(class.min(), class.max(), rest));
        for chunker in chunkers(&key) {
            let got = lengths(class, bytes, |rest| chunker.cut(class, rest, true).unwrap());
            prop_assert_eq!(&got, &truth, "{:?}", chunker.kernel());
        }
    }

    /// A run that is read in parts of any size is cut like a run that is in memory as a whole.
    #[test]
    fn cuts_do_not_depend_on_the_buffer(kind in data(), seed: u64, key: [u8; 32], piece in 1..30_000usize, len in 0..100_000usize) {
        let class = ChunkClass::Entries;
        let mut bytes = vec![0; len];
        fill(&kind, seed, &mut bytes);
        for chunker in chunkers(&key) {
            let whole = lengths(class, &bytes, |rest| chunker.cut(class, rest, true).unwrap());
            let (mut buffer, mut unread, mut pieces) = (Vec::new(), &bytes[..], Vec::new());
            loop {
                match chunker.cut(class, &buffer, unread.is_empty()) {
                    Some(len) => {
                        pieces.push(len);
                        buffer.drain(..len);
                    }
                    None if unread.is_empty() => break,
                    None => {
                        prop_assert!(buffer.len() <= class.max(), "more was asked for than the rule needs");
                        buffer.extend(unread.split_off(..piece.min(unread.len())).unwrap());
                    }
                }
            }
            prop_assert!(buffer.is_empty());
            prop_assert_eq!(&pieces, &whole);
        }
    }
}

#[test]
fn the_largest_class_follows_the_definition_too() {
    let data = input("letters3", ChunkClass::Huge.max() + 1);
    let truth = Definition::new(&[9; 32]).cut(ChunkClass::Huge.min(), ChunkClass::Huge.max(), &data);
    for chunker in chunkers(&[9; 32]) {
        assert_eq!(chunker.cut(ChunkClass::Huge, &data, false), Some(truth), "{:?}", chunker.kernel());
    }
}

/// The cut can be at the first or the last position where a chunk may end.
#[test]
fn a_cut_can_be_at_both_ends_of_the_range() {
    let key = [5; 32];
    let definition = Definition::new(&key);
    let (class, min, max) = (ChunkClass::Entries, ChunkClass::Entries.min(), ChunkClass::Entries.max());
    let mark = (0..).map(|i: u64| blake3::hash(&i.to_le_bytes())).find(|m| definition.h(m.as_bytes(), 16) >= 0x7ff0).unwrap();
    for at in [min, min + 1, min + 63, min + 64, max - 64, max - 1, max] {
        let mut data = vec![0; max + 1];
        data[at - 16..at].copy_from_slice(&mark.as_bytes()[..16]);
        let truth = definition.cut(min, max, &data);
        for chunker in chunkers(&key) {
            assert_eq!(chunker.cut(class, &data, false), Some(truth), "{at} with {:?}", chunker.kernel());
        }
    }
}

/// Where hashes are equal, the tie hash chooses among the first 65 positions, not among fewer or more.
#[test]
fn ties_are_limited_to_65_positions() {
    let key = [5; 32];
    let definition = Definition::new(&key);
    let (class, min, max) = (ChunkClass::Entries, ChunkClass::Entries.min(), ChunkClass::Entries.max());
    let mark = (0..).map(|i: u64| blake3::hash(&i.to_le_bytes())).find(|m| definition.h(m.as_bytes(), 16) == 0x7fff).unwrap();
    for seed in 0..600 {
        let mut data = vec![0; max + 1];
        fill(&Data::Random, seed, &mut data);
        for place in data.chunks_exact_mut(80) {
            place[64..].copy_from_slice(&mark.as_bytes()[..16]);
        }
        let truth = definition.cut(min, max, &data);
        for chunker in chunkers(&key) {
            assert_eq!(chunker.cut(class, &data, false), Some(truth), "seed {seed} with {:?}", chunker.kernel());
        }
    }
}

#[test]
fn the_floor_is_the_smallest_hash_of_a_cut() {
    let (class, min, max) = (ChunkClass::Entries, ChunkClass::Entries.min(), ChunkClass::Entries.max());
    for chunker in chunkers(&[5; 32]) {
        let cut = |image| {
            let byte = chunker.hash.table.iter().position(|s| *s == image).unwrap();
            let mut data = vec![0; max + 1];
            data[min + 1000] = byte as u8;
            chunker.cut(class, &data, false)
        };
        assert_eq!(cut(0x60), Some(min + 1009), "the hashes are 0x60, 0xc0 ... 0x6000");
        assert_eq!(cut(0x40), Some(max), "the hashes are 0x40, 0x80 ... 0x4000, and then below zero");
    }
}

#[test]
fn a_run_of_one_byte_gives_the_largest_chunks() {
    for byte in 0..=255 {
        for chunker in chunkers(&[1; 32]) {
            let data = vec![byte; ChunkClass::Entries.max() + 1];
            assert_eq!(chunker.cut(ChunkClass::Entries, &data, false), Some(ChunkClass::Entries.max()));
        }
    }
}

#[test]
fn a_chunk_needs_its_end_or_more_than_the_largest_size() {
    let chunker = Chunker::new(&[0; 32]);
    for class in CLASSES {
        let max = class.max();
        let data = vec![0; max + 1];
        assert_eq!(chunker.cut(class, &[], true), None);
        assert_eq!(chunker.cut(class, &[], false), None);
        for len in [1, class.min() - 1, class.min(), max - 1, max] {
            assert_eq!(chunker.cut(class, &data[..len], true), Some(len));
            assert_eq!(chunker.cut(class, &data[..len], false), None);
        }
        assert_eq!(chunker.cut(class, &data, false), Some(max));
        assert_eq!(chunker.cut(class, &data, true), Some(max));
    }
}

#[test]
fn classes_are_whole_blocks_behind_a_lead() {
    for class in CLASSES {
        assert_eq!((class.max() - class.min()) % BLOCK, 0);
        assert!(class.min() > LEAD);
    }
}

#[test]
fn the_class_follows_size_and_first_bytes() {
    let gib = 1 << 30;
    for (size, class) in [
        (0, ChunkClass::Data),
        (16 * gib - 1, ChunkClass::Data),
        (16 * gib, ChunkClass::Large),
        (256 * gib - 1, ChunkClass::Large),
        (256 * gib, ChunkClass::Huge),
        (u64::MAX, ChunkClass::Huge),
    ] {
        assert_eq!(ChunkClass::for_file(size, b"text"), class, "{size}");
    }
    let finished: [&[u8]; 8] = [
        &[0xff, 0xd8, 0xff],
        &[0x89, 0x50, 0x4e, 0x47],
        &[0x50, 0x4b, 0x03, 0x04],
        &[0x1f, 0x8b],
        &[0x28, 0xb5, 0x2f, 0xfd],
        &[0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00],
        &[0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c],
        &[0x61, 0x67, 0x65, 0x2d, 0x65, 0x6e, 0x63, 0x72],
    ];
    for magic in finished {
        assert_eq!(ChunkClass::for_file(99, magic), ChunkClass::Large, "{magic:x?}");
        assert_eq!(ChunkClass::for_file(99, &[magic, b"more"].concat()), ChunkClass::Large, "{magic:x?}");
        assert_eq!(ChunkClass::for_file(99, &magic[..magic.len() - 1]), ChunkClass::Data, "{magic:x?}");
        assert_eq!(ChunkClass::for_file(256 * gib, magic), ChunkClass::Huge, "{magic:x?}");
    }
    let dicom = [&[0; 128][..], &[0x44, 0x49, 0x43, 0x4d]].concat();
    assert_eq!(dicom.len(), ChunkClass::HEAD);
    assert_eq!(ChunkClass::for_file(132, &dicom), ChunkClass::Large);
    assert_eq!(ChunkClass::for_file(131, &dicom[..131]), ChunkClass::Data);
    assert_eq!(ChunkClass::for_file(131, &dicom[1..]), ChunkClass::Data);
}

#[test]
fn a_chunker_is_shared_and_does_not_show_its_key() {
    fn shared<T: Send + Sync>() {}
    shared::<Chunker>();
    let chunker = Chunker::new(&[0x5a; 32]);
    assert!(chunker.kernel().is_available());
    assert_eq!(format!("{chunker:?}"), format!("Chunker {{ kernel: {:?}, .. }}", chunker.kernel()));
}

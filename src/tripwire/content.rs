//! Properties of a file's content that need no knowledge of its format: whether it looks like noise, and whether it begins like files of
//! its kind.

use super::PreviousContent;
use super::dump;
use super::former::FormerContent;
use crate::format::entry::{DataRange, HASHED_HOLE_BYTES};
use crate::format::rules::{Rules, flag};
use crate::format::watch::KIND_BYTES;
use std::sync::LazyLock;

/// Bytes of a block that is examined.
const BLOCK_BYTES: usize = 1 << 10;
/// One block is examined in each stretch of this length: the usual length of the parts that are encrypted in a file.
const STRETCH_BYTES: usize = 4 << 10;
/// Blocks examined in a file that is read at once, and in each MiB of a larger one.
const BLOCKS: usize = 16;
/// Shorter content cannot be distinguished from noise.
const LEAST_BYTES: usize = 512;
/// First bytes of a file that are not examined: some malware leaves them unchanged.
const SKIPPED_BYTES: usize = 256;
/// First bytes of a file, by which its kind is recognised.
const HEAD_BYTES: usize = 1 << 10;

/// Samples a file's content while it is read.
pub struct ContentSample {
    head: Vec<u8>,
    /// The last bytes, where the first ones are a dump's.
    tail: Vec<u8>,
    bytes: u64,
    blocks: u32,
    noisy: u32,
    dice: u64,
    /// For a file that may only grow.
    former: Option<FormerContent>,
}

impl ContentSample {
    /// `seed`: decides which blocks are examined; nobody outside should know it. `before`: the former content, if the file may only grow.
    pub fn new(seed: u64, before: Option<PreviousContent>) -> Self {
        let former = before.map(|b| FormerContent::new(b, HASHED_HOLE_BYTES));
        Self { head: Vec::new(), tail: Vec::new(), bytes: 0, blocks: 0, noisy: 0, dice: seed | 1, former }
    }

    /// Adds the next hole. Returns how many bytes of zeros the caller has to add with [`Self::update_former`].
    pub fn add_hole(&mut self, hole: DataRange) -> u64 {
        self.former.as_mut().map_or(0, |f| f.add_hole(hole))
    }

    /// Adds zeros of a hole.
    pub fn update_former(&mut self, bytes: &[u8]) {
        if let Some(former) = &mut self.former {
            former.update(bytes);
        }
    }

    /// Adds the next stored bytes, in order.
    pub fn update(&mut self, bytes: &[u8]) {
        if self.head.len() < HEAD_BYTES && self.bytes == self.head.len() as u64 {
            let n = bytes.len().min(HEAD_BYTES - self.head.len());
            self.head.extend_from_slice(&bytes[..n]);
        }
        if dump::may_have_last_line(&self.head) {
            let last = &bytes[bytes.len().saturating_sub(dump::TAIL_BYTES)..];
            let old = (self.tail.len() + last.len()).saturating_sub(dump::TAIL_BYTES);
            self.tail.drain(..old);
            self.tail.extend_from_slice(last);
        }
        self.update_former(bytes);
        let is_first = self.bytes == 0;
        self.bytes += bytes.len() as u64;
        let content = if is_first { &bytes[SKIPPED_BYTES.min(bytes.len() / 4)..] } else { bytes };
        if content.len() <= 2 * BLOCK_BYTES {
            return self.sample_block(content);
        }
        let blocks = content.len().div_ceil(STRETCH_BYTES).min(BLOCKS * content.len().div_ceil(1 << 20));
        let stride = content.len() / blocks;
        for i in 0..blocks {
            let at = i * stride + self.roll(stride - BLOCK_BYTES + 1);
            self.sample_block(&content[at..at + BLOCK_BYTES]);
        }
    }

    /// xorshift64 (Marsaglia 2003). It only has to avoid a period that coincides with one in the content.
    fn roll(&mut self, below: usize) -> usize {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        (self.dice % below as u64) as usize
    }

    fn sample_block(&mut self, block: &[u8]) {
        if block.len() >= LEAST_BYTES {
            self.blocks += 1;
            self.noisy += u32::from(is_noise(block));
        }
    }

    /// Whether some of it looks like noise: one block of 32 is enough, as in a file that was encrypted in parts.
    pub fn is_noisy(&self) -> bool {
        self.noisy > 0 && self.noisy * 32 >= self.blocks
    }

    /// Whether it is as good as nothing: no bytes, only blanks, or what a packer makes of nothing.
    pub fn is_nothing(&self) -> bool {
        let (head, bytes) = (&self.head[..], self.bytes);
        let is_packed_nothing = match head {
            // The last eight bytes are the content's checksum and length.
            [0x1f, 0x8b, ..] => bytes <= 300 && head.ends_with(&[0; 8]),
            [b'B', b'Z', b'h', ..] => bytes == 14,
            [0xfd, b'7', b'z', b'X', b'Z', ..] => bytes == 32,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => bytes == 9 || bytes == 13,
            _ => false,
        };
        head.len() as u64 == bytes && (head.iter().all(u8::is_ascii_whitespace) || is_packed_nothing)
    }

    /// Whether it is a dump without its last line.
    pub fn is_cut_off(&self) -> bool {
        dump::is_cut_off(&self.head, &self.tail)
    }

    /// The first bytes, up to 1 KiB.
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// Bytes added so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether the file begins with its former content. `None` if that was not examined.
    pub fn begins_as_before(&self) -> Option<bool> {
        self.former.as_ref().map(FormerContent::is_found)
    }
}

/// Whether the values of the bytes are distributed as evenly as random, encrypted or well compressed bytes.
///
/// The entropy of the counts of n random bytes is some 8 − 255 / (2 n ln 2) bits a byte on average (Miller 1955; for few bytes a little
/// less) and varies little; text stays below 6.5, images of 16-bit samples below 7.2 with 1,024 bytes.
pub fn is_noise(block: &[u8]) -> bool {
    let block = &block[..block.len().min(2 * BLOCK_BYTES)];
    let n = block.len();
    let mut counts = [0_u16; 256];
    for b in block {
        counts[usize::from(*b)] += 1;
    }
    let sum: f32 = counts.iter().map(|c| LOGARITHMS[usize::from(*c)]).sum();
    let entropy = (n as f32).log2() - sum / n as f32;
    let expected = 8.0 - 255.0 / (2.0 * n as f32 * std::f32::consts::LN_2);
    entropy >= expected - 0.3
}

/// n log2 n.
static LOGARITHMS: LazyLock<Vec<f32>> =
    LazyLock::new(|| (0..=2 * BLOCK_BYTES).map(|n| if n == 0 { 0.0 } else { n as f32 * (n as f32).log2() }).collect());

/// The kind of a file by its name: its extension in lower case. Messages of an SS-MIX2 storage are `hl7`.
pub fn kind_of(path: &[u8], rules: Rules) -> Vec<u8> {
    let name = path.rsplit(|b| *b == b'/').next().unwrap_or(path);
    if rules == Rules::SsMix2 && !name.contains(&b'.') && flag(path).is_some_and(|at| at + 1 == path.len()) {
        return b"hl7".to_vec();
    }
    match name.iter().rposition(|b| *b == b'.') {
        Some(at) if at > 0 && name.len() - at - 1 <= KIND_BYTES => name[at + 1..].to_ascii_lowercase(),
        _ => Vec::new(),
    }
}

/// Whether files of this kind are written once and then never changed.
pub fn is_finished(kind: &[u8]) -> bool {
    const FINISHED: [&[u8]; 24] = [
        b"7z", b"avi", b"bmp", b"bz2", b"dcm", b"gif", b"gz", b"heic", b"j2k", b"jp2", b"jpeg", b"jpg", b"m4v", b"mov", b"mp3",
        b"mp4", b"mpg", b"pdf", b"png", b"tif", b"tiff", b"wav", b"xz", b"zip",
    ];
    FINISHED.binary_search(&kind).is_ok()
}

/// Whether a file begins like files of its kind; `None` if all beginnings are possible for that kind.
pub fn fits(kind: &[u8], head: &[u8]) -> Option<bool> {
    if head.is_empty() {
        return None;
    }
    let begins = |with: &[&[u8]]| Some(with.iter().any(|w| head.starts_with(w)));
    let text = || head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    match kind {
        b"hl7" => begins(&[b"MSH|"]),
        // Other bytes may come before it.
        b"pdf" => Some(head.windows(5).any(|w| w == b"%PDF-")),
        b"jpg" | b"jpeg" => begins(&[b"\xff\xd8\xff"]),
        b"png" => begins(&[b"\x89PNG\r\n"]),
        b"gif" => begins(&[b"GIF8"]),
        b"tif" | b"tiff" => begins(&[b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"]),
        b"bmp" => begins(&[b"BM"]),
        b"zip" | b"docx" | b"xlsx" | b"pptx" | b"docm" | b"xlsm" | b"odt" | b"ods" | b"jar" => {
            begins(&[b"PK\x03\x04", b"PK\x05\x06"])
        }
        b"doc" | b"xls" | b"ppt" | b"msg" => begins(&[b"\xd0\xcf\x11\xe0", b"PK\x03\x04", b"{\\rtf", b"<"]),
        b"gz" | b"tgz" => begins(&[b"\x1f\x8b"]),
        b"xz" => begins(&[b"\xfd7zXZ"]),
        b"7z" => begins(&[b"7z\xbc\xaf"]),
        b"bz2" => begins(&[b"BZh"]),
        b"zst" => begins(&[b"\x28\xb5\x2f\xfd"]),
        b"sqlite" => begins(&[b"SQLite format 3\0"]),
        b"xml" | b"html" | b"htm" | b"svg" => {
            let utf_16 = head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff");
            Some(utf_16 || text().trim_ascii_start().starts_with(b"<"))
        }
        b"json" => Some(matches!(text().trim_ascii_start().first(), Some(b'{' | b'[' | b'"'))),
        b"rtf" => begins(&[b"{\\rtf"]),
        // With a preamble, or without one: then with the first group's tag.
        b"dcm" => Some(head.get(128..132) == Some(b"DICM") || head.starts_with(b"\x08\0") || head.starts_with(b"\x02\0")),
        _ => None,
    }
}

/// Whether a file's first bytes are those of a kind that looks like noise.
pub fn is_compressed(head: &[u8]) -> bool {
    const COMPRESSED: [&[u8]; 15] = [
        b"PK\x03\x04",
        b"\xff\xd8\xff",
        b"\x89PNG",
        b"GIF8",
        b"\x1f\x8b",
        b"\xfd7zXZ",
        b"7z\xbc\xaf",
        b"BZh",
        b"\x28\xb5\x2f\xfd",
        b"%PDF-",
        b"RIFF",
        b"OggS",
        b"ID3",
        b"\xff\x4f\xff\x51",
        b"PGDMP",
    ];
    COMPRESSED.iter().any(|c| head.starts_with(c))
        || head.get(4..8) == Some(b"ftyp")
        || head.get(4..8) == Some(b"jP  ")
        || head.get(128..132) == Some(b"DICM")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::entry::ContentId;

    fn noise(seed: u64, length: usize) -> Vec<u8> {
        let mut out = vec![0; length];
        blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut out);
        out
    }

    fn sampled(bytes: &[u8]) -> ContentSample {
        let mut sample = ContentSample::new(7, None);
        bytes.chunks(1 << 20).for_each(|run| sample.update(run));
        sample
    }

    fn text(length: usize) -> Vec<u8> {
        let line = "PID|0001||9999013^^^^PI||患者^太郎^^^^^L^I||19600824|M|||^^^^422-8033^JPN^H^静岡市\r".as_bytes();
        line.iter().copied().cycle().take(length).collect()
    }

    #[test]
    fn noise_is_noise_at_every_length() {
        for (seed, length) in (0..2_000).map(|seed| (seed, 512 + seed as usize * 3)) {
            assert!(is_noise(&noise(seed, length)), "{length} bytes, seed {seed}");
        }
        assert!(!is_noise(&text(1024)) && !is_noise(&text(600)));
        // Samples of 12 bits with a lot of noise, in two bytes each.
        let samples: Vec<u8> = noise(1, 1024).chunks(2).flat_map(|c| [c[0], c[1] & 7]).collect();
        assert!(!is_noise(&samples));
    }

    #[test]
    fn noise_behind_an_unchanged_beginning_is_detected() {
        for length in [2_000, 5_000, 100_000, 3 << 20] {
            let mut kept = noise(3, length);
            kept[..200].copy_from_slice(&text(200));
            assert!(sampled(&kept).is_noisy(), "{length}");
            assert!(!sampled(&text(length)).is_noisy(), "{length}");
        }
    }

    /// Every sixteenth block of a file is noise: in most files one is met.
    #[test]
    fn files_that_are_encrypted_in_parts_are_detected() {
        let mut seen = 0;
        for seed in 0..200 {
            let mut file = text(1 << 20);
            for (i, block) in file.chunks_mut(4096).enumerate().filter(|(i, _)| i % 16 == 3) {
                block.copy_from_slice(&noise(seed * 1_000 + i as u64, 4096)[..block.len()]);
            }
            let mut sample = ContentSample::new(seed * 77 + 1, None);
            sample.update(&file);
            seen += u32::from(sample.is_noisy());
        }
        assert!(seen > 80, "{seen} of 200");
    }

    #[test]
    fn a_file_that_only_grew_begins_with_its_former_content() {
        let (old, new) = (text(10_000), text(25_000));
        let content = ContentId::Whole(*blake3::hash(&old).as_bytes());
        let size = old.len() as u64;
        let before = PreviousContent { content, size, stored_bytes: size, settled: true };
        let grown = |bytes: &[u8]| {
            let mut sample = ContentSample::new(1, Some(before));
            bytes.chunks(3_000).for_each(|run| sample.update(run));
            sample.begins_as_before()
        };
        let mut changed = new.clone();
        changed[9_999] ^= 1;
        assert_eq!([grown(&new), grown(&old), grown(&changed), grown(&old[..9_999])], [true, true, false, false].map(Some));
        assert_eq!(sampled(&new).begins_as_before(), None);
    }

    #[test]
    fn kinds_are_recognised_by_names() {
        let message = b"ss/999/901/9999013/20111220/OML-11/9999013_20111220_OML-11_000000011000354_20111220103059000_01_1";
        assert_eq!(kind_of(message, Rules::SsMix2), b"hl7");
        assert_eq!(kind_of(message, Rules::Plain), b"");
        assert_eq!(kind_of(b"a.b/Report.PDF", Rules::Plain), b"pdf");
        assert_eq!([kind_of(b"a/.profile", Rules::Plain), kind_of(b"a.d/none", Rules::Plain)], [b"", b""]);
        assert!(is_finished(b"dcm") && is_finished(b"zip") && is_finished(b"7z") && !is_finished(b"txt"));
    }

    #[test]
    fn a_file_begins_like_its_kind() {
        assert_eq!(fits(b"pdf", b"%PDF-1.7"), Some(true));
        assert_eq!(fits(b"hl7", b"MSH|^~\\&|HIS"), Some(true));
        assert_eq!(fits(b"xml", b"\xef\xbb\xbf <?xml"), Some(true));
        for kind in [&b"pdf"[..], b"hl7", b"xml", b"dcm", b"docx", b"jpg", b"json"] {
            assert_eq!(fits(kind, &noise(9, 1024)), Some(false));
            assert_eq!(fits(kind, b""), None);
        }
        assert_eq!(fits(b"txt", &noise(9, 1024)), None);
        assert!(is_compressed(b"PK\x03\x04...") && !is_compressed(&noise(4, 1024)));
    }
}

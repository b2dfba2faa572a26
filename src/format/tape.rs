//! Section 16: the header block before each object on a tape, and the list of objects behind each seal.

use super::object::{Id, ObjectKind};
use super::{Malformed, VERSION, limit};

/// Bytes of a header block.
pub const HEADER_BYTES: usize = 512;
const MAGIC: &[u8; 16] = b"azekura tape 1\r\n";
const DIGEST_AT: usize = HEADER_BYTES - 32;
/// Stands for an address where there is none.
const NONE: u64 = u64::MAX;

/// A header block: describes the object behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The medium set.
    pub set: Id,
    /// Number of the object.
    pub number: u64,
    /// Kind of the object.
    pub kind: ObjectKind,
    /// Bytes of the object.
    pub length: u64,
    /// Bytes of every block of the object but its last.
    pub block: u32,
    /// Address of the header block before this one on the cartridge.
    pub before: Option<u64>,
}

impl Header {
    /// Blocks of the object, its header not included.
    pub fn blocks(&self) -> u64 {
        self.length.div_ceil(self.block.into())
    }

    /// The block.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut fields = FieldWriter::default();
        fields.bytes(MAGIC);
        fields.bytes(&self.set.0);
        fields.u64(self.number);
        fields.u64(self.length);
        fields.u64(self.before.unwrap_or(NONE));
        fields.bytes(&self.block.to_le_bytes());
        fields.bytes(&[self.kind.code()]);
        fields.finish()
    }

    /// `None` when the block is no header at all.
    pub fn decode(block: &[u8]) -> Result<Option<Self>, Malformed> {
        let Some(mut fields) = FieldReader::begin(block, MAGIC) else {
            let newer = |found| Err(Malformed::Newer { what: "header on tape", found });
            return newer_version(block).map_or(Ok(None), newer);
        };
        let wrong = |what: &str| Malformed::new("header on tape", what);
        let set = Id(fields.bytes());
        let (number, length, before) = (fields.u64(), fields.u64(), fields.u64());
        let block_bytes = u32::from_le_bytes(fields.bytes());
        let [code] = fields.bytes();
        fields.finish(block, "header on tape")?;
        let kind = ObjectKind::from_code(code).filter(|k| *k != ObjectKind::Void).ok_or_else(|| wrong("an unknown kind"))?;
        Malformed::limit("object's number", number, limit::OBJECT_NUMBER)?;
        // Not the limit of the kind: a newer text may be longer than one of this version.
        Malformed::limit("object on tape", length, limit::PACK_BYTES)?;
        check_block_bytes("header on tape", block_bytes)?;
        let before = (before != NONE).then_some(before);
        Ok(Some(Self { set, number, kind, length, block: block_bytes, before }))
    }
}

/// The version of a header block of a later one.
fn newer_version(block: &[u8]) -> Option<u64> {
    let (name, rest) = block.split_first_chunk::<13>()?;
    let digit = *rest.first().filter(|d| d.is_ascii_digit())?;
    let found = u64::from(digit - b'0');
    let has_form = block.len() == HEADER_BYTES && name == &MAGIC[..13] && rest[1..3] == MAGIC[14..];
    (has_form && found > VERSION).then_some(found)
}

fn check_block_bytes(what: &'static str, bytes: u32) -> Result<(), Malformed> {
    Malformed::limit("block on tape", bytes.into(), limit::TAPE_BLOCK_BYTES)?;
    if u64::from(bytes) < limit::TAPE_BLOCK_BYTES_LEAST {
        return Err(Malformed::new(what, "blocks that are too short"));
    }
    Ok(())
}

/// An object in a list of contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item {
    /// Its number.
    pub number: u64,
    /// Its kind.
    pub kind: ObjectKind,
    /// Bytes on the cartridge.
    pub length: u64,
    /// Address of its header block.
    pub at: u64,
}

/// The list behind a seal: all objects on the cartridge so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contents {
    /// Ascending by number, then by the kind's code; none twice.
    pub items: Vec<Item>,
    /// Address of the last header block.
    pub last: Option<u64>,
}

/// The block behind a list of contents, by which the list is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trailer {
    /// The medium set.
    pub set: Id,
    /// Objects in the list.
    pub count: u64,
    /// Address of the last header block.
    pub last: Option<u64>,
    /// BLAKE3 of the list.
    pub digest: [u8; 32],
    /// Bytes of every block of the list but its last.
    pub block: u32,
    /// Address of the first block of the list.
    pub first: u64,
}

const TRAILER_MAGIC: &[u8; 16] = b"azekura list 1\r\n";
const ITEM_BYTES: usize = 25;

impl Trailer {
    /// Blocks of the list.
    pub fn blocks(&self) -> u64 {
        self.list_bytes().div_ceil(self.block.into())
    }

    /// Bytes of the list.
    fn list_bytes(&self) -> u64 {
        self.count * ITEM_BYTES as u64
    }

    /// The block.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut fields = FieldWriter::default();
        fields.bytes(TRAILER_MAGIC);
        fields.bytes(&self.set.0);
        fields.u64(self.count);
        fields.u64(self.last.unwrap_or(NONE));
        fields.bytes(&self.digest);
        fields.bytes(&self.block.to_le_bytes());
        fields.u64(self.first);
        fields.finish()
    }

    /// Decodes a block; `None` if it is no trailer of this version at all. Whether it belongs to its place is for
    /// [`Trailer::check`].
    pub fn decode(block: &[u8]) -> Result<Option<Self>, Malformed> {
        let Some(mut fields) = FieldReader::begin(block, TRAILER_MAGIC) else { return Ok(None) };
        let set = Id(fields.bytes());
        let (count, last) = (fields.u64(), fields.u64());
        let digest = fields.bytes();
        let block_bytes = u32::from_le_bytes(fields.bytes());
        let first = fields.u64();
        fields.finish(block, "list on tape")?;
        Malformed::limit("objects on a tape", count, limit::OBJECTS_ON_TAPE)?;
        check_block_bytes("list on tape", block_bytes)?;
        Ok(Some(Self { set, count, last: (last != NONE).then_some(last), digest, block: block_bytes, first }))
    }

    /// Refuses the trailer of another cartridge, and one that was written for another place. `set`, `block`: those of the
    /// cartridge's headers. `at`: the address of the trailer.
    pub fn check(&self, set: Id, block: u32, at: u64) -> Result<(), Malformed> {
        let wrong = |what: &str| Err(Malformed::new("list on tape", what));
        if self.set != set {
            return wrong("another set");
        }
        if self.block != block {
            return wrong("blocks of another length than the objects'");
        }
        if at.checked_sub(self.blocks()) != Some(self.first) {
            return wrong("another address");
        }
        Ok(())
    }
}

impl Contents {
    /// The list's bytes, and the trailer for them on a cartridge with this `set` and `block`. `first`: the address where the
    /// list begins.
    pub fn encode(&self, set: Id, block: u32, first: u64) -> (Vec<u8>, Trailer) {
        let mut out = Vec::with_capacity(self.items.len() * ITEM_BYTES);
        for i in &self.items {
            out.extend_from_slice(&i.number.to_le_bytes());
            out.push(i.kind.code());
            out.extend_from_slice(&i.length.to_le_bytes());
            out.extend_from_slice(&i.at.to_le_bytes());
        }
        let digest = *blake3::hash(&out).as_bytes();
        (out, Trailer { set, count: self.items.len() as u64, last: self.last, digest, block, first })
    }

    /// Decodes the list of a trailer that [`Trailer::check`] has accepted.
    pub fn decode(trailer: &Trailer, bytes: &[u8]) -> Result<Self, Malformed> {
        let wrong = |what: &str| Malformed::new("list on tape", what);
        if bytes.len() as u64 != trailer.list_bytes() || blake3::hash(bytes) != trailer.digest {
            return Err(wrong("its digest is not that of its bytes"));
        }
        if trailer.last.is_some_and(|at| at >= trailer.first) {
            return Err(wrong("a header behind the list"));
        }
        let mut items: Vec<Item> = Vec::with_capacity(bytes.len() / ITEM_BYTES);
        for record in bytes.chunks_exact(ITEM_BYTES) {
            let mut fields = FieldReader { rest: record };
            let number = fields.u64();
            let [code] = fields.bytes();
            let (length, at) = (fields.u64(), fields.u64());
            let kind = ObjectKind::from_code(code).filter(|k| *k != ObjectKind::Void).ok_or_else(|| wrong("an unknown kind"))?;
            Malformed::limit("object's number", number, limit::OBJECT_NUMBER)?;
            Malformed::limit("object on tape", length, limit::PACK_BYTES)?;
            if items.last().is_some_and(|i| (i.number, i.kind.code()) >= (number, code)) {
                return Err(wrong("objects out of order"));
            }
            if trailer.last.is_none_or(|last| at > last) {
                return Err(wrong("an object behind the last header"));
            }
            items.push(Item { number, kind, length, at });
        }
        if overlap(&items, trailer) {
            return Err(wrong("objects that share an address"));
        }
        Ok(Self { items, last: trailer.last })
    }
}

/// Whether two objects share an address, or one shares it with the list behind them.
fn overlap(items: &[Item], trailer: &Trailer) -> bool {
    let behind = |i: &Item| i.at.saturating_add(1 + i.length.div_ceil(trailer.block.into()));
    let mut places: Vec<(u64, u64)> = items.iter().map(|i| (i.at, behind(i))).collect();
    places.sort_unstable();
    let follows = places.iter().skip(1).map(|(at, _)| *at).chain([trailer.first]);
    places.iter().zip(follows).any(|((_, behind), next)| *behind > next)
}

/// Writes the fields of a block, and the digest of everything before it at its end.
struct FieldWriter {
    block: [u8; HEADER_BYTES],
    at: usize,
}

impl Default for FieldWriter {
    fn default() -> Self {
        Self { block: [0; HEADER_BYTES], at: 0 }
    }
}

impl FieldWriter {
    fn bytes(&mut self, bytes: &[u8]) {
        self.block[self.at..self.at + bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
    }

    fn u64(&mut self, n: u64) {
        self.bytes(&n.to_le_bytes());
    }

    fn finish(mut self) -> [u8; HEADER_BYTES] {
        let digest = blake3::hash(&self.block[..DIGEST_AT]);
        self.block[DIGEST_AT..].copy_from_slice(digest.as_bytes());
        self.block
    }
}

/// Reads the fields that [`FieldWriter`] wrote, in the same order. It panics if more bytes are asked for than a block has.
struct FieldReader<'a> {
    rest: &'a [u8],
}

impl<'a> FieldReader<'a> {
    /// `None` when the block does not begin with `magic`.
    fn begin(block: &'a [u8], magic: &[u8; 16]) -> Option<Self> {
        let fits = block.len() == HEADER_BYTES && block.starts_with(magic);
        fits.then_some(Self { rest: block.get(magic.len()..)? })
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let (field, rest) = self.rest.split_at(N);
        self.rest = rest;
        let mut out = [0; N];
        out.copy_from_slice(field);
        out
    }

    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.bytes())
    }

    /// Checks that only zeros follow, and then the digest of everything before it.
    fn finish(self, whole: &[u8], what: &'static str) -> Result<(), Malformed> {
        let (zeros, digest) = self.rest.split_at(self.rest.len() - 32);
        if blake3::hash(&whole[..DIGEST_AT]) != *digest {
            return Err(Malformed::new(what, "its digest is not that of its bytes"));
        }
        if zeros.iter().any(|b| *b != 0) {
            return Err(Malformed::new(what, "unknown bytes"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header { set: Id([7; 16]), number: 12, kind: ObjectKind::Seal, length: (1 << 20) + 1, block: 512 << 10, before: Some(99) }
    }

    #[test]
    fn a_header_comes_back() {
        for before in [None, Some(0), Some(1 << 40)] {
            for kind in [ObjectKind::Label, ObjectKind::Pack, ObjectKind::Manifest, ObjectKind::Seal, ObjectKind::Parity] {
                let header = Header { before, kind, ..header() };
                assert_eq!(Header::decode(&header.encode()).unwrap(), Some(header));
            }
        }
        assert_eq!(header().blocks(), 3);
        assert_eq!(Header { length: 0, ..header() }.blocks(), 0);
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let good = header().encode();
        for bit in 0..HEADER_BYTES * 8 {
            let mut bad = good;
            bad[bit / 8] ^= 1 << (bit % 8);
            // In the magic it is no header, or a newer one; anywhere else a damaged one.
            match Header::decode(&bad) {
                Ok(None) => assert!(bit < MAGIC.len() * 8),
                Err(Malformed::Newer { found, .. }) => assert_eq!((bit / 8, u64::from(bad[13] - b'0')), (13, found)),
                Err(_) => assert!(bit >= MAGIC.len() * 8),
                Ok(Some(_)) => panic!("bit {bit}"),
            }
        }
        assert_eq!(Header::decode(&good[..511]).unwrap(), None);
        assert_eq!(Header::decode(b"").unwrap(), None);
    }

    const SET: Id = Id([7; 16]);

    #[test]
    fn a_list_comes_back_and_every_flipped_bit_is_found() {
        let item = |number| Item { number, kind: ObjectKind::Pack, length: 1 << 20, at: number * 3 };
        for count in [0, 1, 3] {
            let contents = Contents { items: (0..count).map(item).collect(), last: (count > 0).then_some(6) };
            let (bytes, trailer) = contents.encode(SET, 512 << 10, 100);
            assert_eq!(Trailer::decode(&trailer.encode()).unwrap(), Some(trailer));
            assert_eq!(Contents::decode(&trailer, &bytes).unwrap(), contents);
            for bit in 0..bytes.len() * 8 {
                let mut bad = bytes.clone();
                bad[bit / 8] ^= 1 << (bit % 8);
                assert!(Contents::decode(&trailer, &bad).is_err());
            }
            for bit in 0..HEADER_BYTES * 8 {
                let mut bad = trailer.encode();
                bad[bit / 8] ^= 1 << (bit % 8);
                assert!(!matches!(Trailer::decode(&bad), Ok(Some(_))));
            }
        }
    }

    #[test]
    fn a_trailer_tells_where_its_list_is() {
        let item = |number| Item { number, kind: ObjectKind::Pack, length: 0, at: number };
        // 25 bytes each: two blocks from 164 on.
        for (count, blocks) in [(0, 0), (1, 1), (163, 1), (164, 2), (328, 3)] {
            let contents = Contents { items: (0..count).map(item).collect(), last: count.checked_sub(1) };
            let (_, trailer) = contents.encode(SET, 4096, 1000);
            assert_eq!(trailer.blocks(), blocks, "{count}");
            let check = |at| trailer.check(SET, 4096, at).is_ok();
            assert!(check(1000 + blocks) && !check(999 + blocks) && !check(1001 + blocks) && !check(0), "{count}");
            assert!(trailer.check(SET, 4097, 1000 + blocks).is_err());
            assert!(trailer.check(Id([8; 16]), 4096, 1000 + blocks).is_err());
            let encoded = trailer.encode();
            assert_eq!((&encoded[80..84], &encoded[84..92]), (&4096u32.to_le_bytes()[..], &1000u64.to_le_bytes()[..]));
        }
    }

    #[test]
    fn a_list_of_what_cannot_be_is_refused() {
        // At 4 its header, at 5 its block.
        let good = Item { number: 5, kind: ObjectKind::Pack, length: 9, at: 4 };
        let refused = |items: &[Item], last| {
            let (bytes, trailer) = Contents { items: items.to_vec(), last }.encode(SET, 4096, 10);
            Contents::decode(&trailer, &bytes).is_err()
        };
        assert!(!refused(&[good], Some(4)));
        assert!(!refused(&[good], Some(9)));
        assert!(refused(&[good], Some(10)));
        assert!(refused(&[good], Some(3)), "a header behind the last");
        assert!(refused(&[good], None));
        assert!(refused(&[Item { kind: ObjectKind::Void, ..good }], Some(4)));
        assert!(refused(&[Item { number: limit::OBJECT_NUMBER + 1, ..good }], Some(4)));
        assert!(refused(&[Item { length: limit::PACK_BYTES + 1, ..good }], Some(4)));
        let many = Trailer { set: SET, count: limit::OBJECTS_ON_TAPE + 1, last: None, digest: [0; 32], block: 4096, first: 0 };
        assert!(Trailer::decode(&many.encode()).is_err());
        for (block, allowed) in [(4095, false), (4096, true), (8 << 20, true), ((8 << 20) + 1, false)] {
            assert_eq!(Trailer::decode(&Trailer { count: 0, block, ..many }.encode()).is_ok(), allowed, "{block}");
        }
    }

    #[test]
    fn a_list_out_of_order_or_with_objects_over_one_another_is_refused() {
        let item = |number, kind, length, at| Item { number, kind, length, at };
        let refused = |items: &[Item]| {
            let (bytes, trailer) = Contents { items: items.to_vec(), last: Some(9) }.encode(SET, 4096, 10);
            Contents::decode(&trailer, &bytes).is_err()
        };
        use ObjectKind::{Pack, Seal};
        // Numbers ascend, then kinds, in whatever order the objects were appended.
        assert!(!refused(&[item(5, Pack, 9, 6), item(5, Seal, 9, 4), item(6, Pack, 0, 0)]));
        assert!(refused(&[item(6, Pack, 9, 4), item(5, Pack, 9, 6)]));
        assert!(refused(&[item(5, Seal, 9, 4), item(5, Pack, 9, 6)]));
        assert!(refused(&[item(5, Pack, 9, 4), item(5, Pack, 9, 6)]));
        // A header and two blocks.
        assert!(!refused(&[item(5, Pack, 4097, 4), item(6, Pack, 0, 7)]));
        assert!(refused(&[item(5, Pack, 4097, 4), item(6, Pack, 0, 6)]));
        assert!(refused(&[item(5, Pack, 0, 6), item(6, Pack, 4097, 4)]));
        assert!(refused(&[item(5, Pack, 0, 4), item(6, Pack, 0, 4)]));
        // Into the list.
        assert!(!refused(&[item(5, Pack, 4096, 8)]));
        assert!(refused(&[item(5, Pack, 4097, 8)]));
    }

    #[test]
    fn another_version_is_newer_or_nothing() {
        let with = |block: [u8; HEADER_BYTES], digit| {
            let mut other = block;
            other[13] = digit;
            other
        };
        for digit in b'2'..=b'9' {
            let decoded = Header::decode(&with(header().encode(), digit));
            assert!(matches!(decoded, Err(Malformed::Newer { found, .. }) if found == u64::from(digit - b'0')));
        }
        for other in [b'0', b'a', b' '] {
            assert_eq!(Header::decode(&with(header().encode(), other)), Ok(None));
        }
        assert_eq!(Header::decode(&with(header().encode(), b'2')[..511]), Ok(None));
        let (_, trailer) = Contents::default().encode(SET, 4096, 10);
        assert_eq!(Trailer::decode(&with(trailer.encode(), b'2')), Ok(None), "a list only helps");
    }

    #[test]
    fn what_no_writer_writes_is_refused() {
        let whole = |header: Header| Header::decode(&header.encode()).is_err();
        assert!(whole(Header { kind: ObjectKind::Void, ..header() }));
        assert!(whole(Header { number: limit::OBJECT_NUMBER + 1, ..header() }));
        assert!(whole(Header { block: 511, ..header() }));
        assert!(whole(Header { block: u32::MAX, ..header() }));
        assert!(whole(Header { length: limit::PACK_BYTES + 1, ..header() }));
    }
}

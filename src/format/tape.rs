//! Section 16: the header block before each object on a tape, and the list of objects behind each seal.

use super::object::{Id, ObjectKind};
use super::{Malformed, limit};

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
    /// Address of the previous header block on the cartridge.
    pub previous: Option<u64>,
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
        fields.u64(self.previous.unwrap_or(NONE));
        fields.bytes(&self.block.to_le_bytes());
        fields.bytes(&[self.kind.code()]);
        fields.finish()
    }

    /// `None` when the block is no header at all.
    pub fn decode(block: &[u8]) -> Result<Option<Self>, Malformed> {
        let Some(mut fields) = FieldReader::begin(block, MAGIC) else { return Ok(None) };
        let wrong = |what: &str| Malformed::new("header on tape", what);
        let set = Id(fields.bytes());
        let (number, length, previous) = (fields.u64(), fields.u64(), fields.u64());
        let block_bytes = u32::from_le_bytes(fields.bytes());
        let [code] = fields.bytes();
        fields.finish(block, "header on tape")?;
        let kind = ObjectKind::from_code(code).filter(|k| *k != ObjectKind::Void).ok_or_else(|| wrong("an unknown kind"))?;
        Malformed::limit("object's number", number, limit::OBJECT_NUMBER)?;
        Malformed::limit("object on tape", length, limit::PACK_BYTES)?;
        Malformed::limit("block on tape", block_bytes.into(), limit::TAPE_BLOCK_BYTES)?;
        if u64::from(block_bytes) < limit::TAPE_BLOCK_BYTES_LEAST {
            return Err(wrong("blocks that are too short"));
        }
        let previous = (previous != NONE).then_some(previous);
        Ok(Some(Self { set, number, kind, length, block: block_bytes, previous }))
    }
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
    /// Ascending by number.
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
}

const TRAILER_MAGIC: &[u8; 16] = b"azekura list 1\r\n";
const ITEM_BYTES: usize = 25;

impl Trailer {
    /// Blocks of `block` bytes that the list takes.
    pub fn blocks(&self, block: u32) -> u64 {
        (self.count * ITEM_BYTES as u64).div_ceil(block.into())
    }

    /// The block.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut fields = FieldWriter::default();
        fields.bytes(TRAILER_MAGIC);
        fields.bytes(&self.set.0);
        fields.u64(self.count);
        fields.u64(self.last.unwrap_or(NONE));
        fields.bytes(&self.digest);
        fields.finish()
    }

    /// Decodes a block; `None` if it is no trailer at all.
    pub fn decode(block: &[u8]) -> Result<Option<Self>, Malformed> {
        let Some(mut fields) = FieldReader::begin(block, TRAILER_MAGIC) else { return Ok(None) };
        let set = Id(fields.bytes());
        let (count, last) = (fields.u64(), fields.u64());
        let digest = fields.bytes();
        fields.finish(block, "list on tape")?;
        Malformed::limit("objects on a tape", count, limit::OBJECTS_ON_TAPE)?;
        Ok(Some(Self { set, count, last: (last != NONE).then_some(last), digest }))
    }
}

impl Contents {
    /// The list's bytes and the trailer for them.
    pub fn encode(&self, set: Id) -> (Vec<u8>, Trailer) {
        let mut out = Vec::with_capacity(self.items.len() * ITEM_BYTES);
        for i in &self.items {
            out.extend_from_slice(&i.number.to_le_bytes());
            out.push(i.kind.code());
            out.extend_from_slice(&i.length.to_le_bytes());
            out.extend_from_slice(&i.at.to_le_bytes());
        }
        let digest = *blake3::hash(&out).as_bytes();
        (out, Trailer { set, count: self.items.len() as u64, last: self.last, digest })
    }

    /// Decodes the list of a trailer. `end`: the address of the list's first block; all listed objects are before it.
    pub fn decode(trailer: &Trailer, bytes: &[u8], end: u64) -> Result<Self, Malformed> {
        let wrong = |what: &str| Malformed::new("list on tape", what);
        if bytes.len() as u64 != trailer.count * ITEM_BYTES as u64 || blake3::hash(bytes) != trailer.digest {
            return Err(wrong("its digest is not that of its bytes"));
        }
        if trailer.last.is_some_and(|at| at >= end) {
            return Err(wrong("an address behind the list"));
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
            if at >= end || items.last().is_some_and(|before| before.number >= number) {
                return Err(wrong("objects out of place"));
            }
            items.push(Item { number, kind, length, at });
        }
        Ok(Self { items, last: trailer.last })
    }
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
        Header {
            set: Id([7; 16]),
            number: 12,
            kind: ObjectKind::Seal,
            length: (1 << 20) + 1,
            block: 512 << 10,
            previous: Some(99),
        }
    }

    #[test]
    fn a_header_comes_back() {
        for previous in [None, Some(0), Some(1 << 40)] {
            for kind in [ObjectKind::Label, ObjectKind::Pack, ObjectKind::Manifest, ObjectKind::Seal, ObjectKind::Parity] {
                let header = Header { previous, kind, ..header() };
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
            // In the magic it is no header; anywhere else a damaged one.
            match Header::decode(&bad) {
                Ok(None) => assert!(bit < MAGIC.len() * 8),
                Err(_) => assert!(bit >= MAGIC.len() * 8),
                Ok(Some(_)) => panic!("bit {bit}"),
            }
        }
        assert_eq!(Header::decode(&good[..511]).unwrap(), None);
        assert_eq!(Header::decode(b"").unwrap(), None);
    }

    #[test]
    fn a_list_comes_back_and_every_flipped_bit_is_found() {
        let item = |number| Item { number, kind: ObjectKind::Pack, length: 1 << 20, at: number * 3 };
        for count in [0, 1, 3] {
            let contents = Contents { items: (0..count).map(item).collect(), last: (count > 0).then_some(6) };
            let (bytes, trailer) = contents.encode(Id([7; 16]));
            assert_eq!(Trailer::decode(&trailer.encode()).unwrap(), Some(trailer));
            assert_eq!(Contents::decode(&trailer, &bytes, 100).unwrap(), contents);
            for bit in 0..bytes.len() * 8 {
                let mut bad = bytes.clone();
                bad[bit / 8] ^= 1 << (bit % 8);
                assert!(Contents::decode(&trailer, &bad, 100).is_err());
            }
            for bit in 0..HEADER_BYTES * 8 {
                let mut bad = trailer.encode();
                bad[bit / 8] ^= 1 << (bit % 8);
                assert!(!matches!(Trailer::decode(&bad), Ok(Some(_))));
            }
        }
    }

    #[test]
    fn a_list_of_what_cannot_be_is_refused() {
        let good = Item { number: 5, kind: ObjectKind::Pack, length: 9, at: 4 };
        let refused = |items: &[Item], last| {
            let (bytes, trailer) = Contents { items: items.to_vec(), last }.encode(Id([7; 16]));
            Contents::decode(&trailer, &bytes, 10).is_err()
        };
        assert!(!refused(&[good], Some(4)));
        assert!(refused(&[good, good], None));
        assert!(refused(&[Item { at: 10, ..good }], None));
        assert!(refused(&[good], Some(10)));
        assert!(refused(&[Item { kind: ObjectKind::Void, ..good }], None));
        assert!(refused(&[Item { number: limit::OBJECT_NUMBER + 1, ..good }], None));
        assert!(refused(&[Item { length: limit::PACK_BYTES + 1, ..good }], None));
        let many = Trailer { set: Id([7; 16]), count: limit::OBJECTS_ON_TAPE + 1, last: None, digest: [0; 32] };
        assert!(Trailer::decode(&many.encode()).is_err());
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

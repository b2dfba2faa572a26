//! Section 16: the header block that lies before each object on a tape.

use super::object::{Id, Kind};
use super::{Malformed, limit};

/// Bytes of a header block.
pub const HEADER_BYTES: usize = 512;
const MAGIC: &[u8; 16] = b"azekura tape 1\r\n";
const DIGEST_AT: usize = HEADER_BYTES - 32;
/// In the place of an address: there is none.
const NONE: u64 = u64::MAX;

/// What a header block tells of the object behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    pub set: Id,
    pub number: u64,
    pub kind: Kind,
    /// Bytes of the object.
    pub length: u64,
    /// Bytes of every block of the object but its last.
    pub block: u32,
    /// Address of the header block before this one on the cartridge.
    pub previous: Option<u64>,
}

impl Header {
    /// How many blocks the object takes, its header not counted.
    pub fn blocks(&self) -> u64 {
        self.length.div_ceil(self.block.into())
    }

    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut out = [0; HEADER_BYTES];
        let mut at = 0;
        let mut put = |bytes: &[u8]| {
            out[at..at + bytes.len()].copy_from_slice(bytes);
            at += bytes.len();
        };
        put(MAGIC);
        put(&self.set.0);
        put(&self.number.to_le_bytes());
        put(&self.length.to_le_bytes());
        put(&self.previous.unwrap_or(NONE).to_le_bytes());
        put(&self.block.to_le_bytes());
        put(&[self.kind.code()]);
        let digest = blake3::hash(&out[..DIGEST_AT]);
        out[DIGEST_AT..].copy_from_slice(digest.as_bytes());
        out
    }

    /// `None` when the block is no header at all.
    pub fn decode(block: &[u8]) -> Result<Option<Self>, Malformed> {
        let Ok(block) = <&[u8; HEADER_BYTES]>::try_from(block) else { return Ok(None) };
        let wrong = |what: &str| Malformed::new("header on tape", what);
        let mut at = 0;
        let mut take = |n: usize| {
            at += n;
            &block[at - n..at]
        };
        if take(16) != MAGIC {
            return Ok(None);
        }
        let mut u64s = [0; 3];
        let mut set = [0; 16];
        set.copy_from_slice(take(16));
        for n in &mut u64s {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(take(8));
            *n = u64::from_le_bytes(bytes);
        }
        let [number, length, previous] = u64s;
        let mut bytes = [0; 4];
        bytes.copy_from_slice(take(4));
        let block_bytes = u32::from_le_bytes(bytes);
        let code = take(1)[0];
        if blake3::hash(&block[..DIGEST_AT]) != block[DIGEST_AT..] {
            return Err(wrong("its digest is not that of its bytes"));
        }
        if block[at..DIGEST_AT].iter().any(|b| *b != 0) {
            return Err(wrong("bytes that are not known"));
        }
        let kind = Kind::from_code(code).filter(|k| *k != Kind::Void).ok_or_else(|| wrong("a kind that is not known"))?;
        Malformed::limit("object's number", number, limit::OBJECT_NUMBER)?;
        Malformed::limit("object on tape", length, limit::PACK_BYTES)?;
        Malformed::limit("block on tape", block_bytes.into(), limit::TAPE_BLOCK_BYTES)?;
        if u64::from(block_bytes) < limit::TAPE_BLOCK_BYTES_LEAST {
            return Err(wrong("blocks that are too short"));
        }
        let previous = (previous != NONE).then_some(previous);
        Ok(Some(Self { set: Id(set), number, kind, length, block: block_bytes, previous }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header { set: Id([7; 16]), number: 12, kind: Kind::Seal, length: (1 << 20) + 1, block: 512 << 10, previous: Some(99) }
    }

    #[test]
    fn a_header_comes_back() {
        for previous in [None, Some(0), Some(1 << 40)] {
            for kind in [Kind::Label, Kind::Pack, Kind::Manifest, Kind::Seal, Kind::Parity] {
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
    fn what_no_writer_writes_is_refused() {
        let whole = |header: Header| Header::decode(&header.encode()).is_err();
        assert!(whole(Header { kind: Kind::Void, ..header() }));
        assert!(whole(Header { number: limit::OBJECT_NUMBER + 1, ..header() }));
        assert!(whole(Header { block: 511, ..header() }));
        assert!(whole(Header { block: u32::MAX, ..header() }));
        assert!(whole(Header { length: limit::PACK_BYTES + 1, ..header() }));
    }
}

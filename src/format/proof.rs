//! Section 17: the proof that one record was in a generation.
//!
//! Only the encoding: whether the seals prove the record, and a key or a check code proves the seals, is checked in
//! `job/inspect/prove.rs`.

use super::cbor::{CborReader, CborWriter};
use super::merkle::MerkleHash;
use super::{Malformed, limit};

const WHAT: &str = "proof";
/// The version is the last character but one.
const MAGIC: &[u8; 16] = b"azekura proof 1\n";
const DIGEST_BYTES: usize = 32;

/// The content of a proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The record's `core`, as it is stored in the entry stream.
    pub core: Vec<u8>,
    /// The salt of the record's leaf.
    pub salt: [u8; 16],
    /// The record's number in the entry stream, from 0.
    pub index: u64,
    /// The audit path to the root of the records, from the leaf on.
    pub path: Vec<MerkleHash>,
    /// Lengths of the seals from generation 1 up to the record's.
    pub seal_lengths: Vec<u64>,
    /// One zstd frame with the bytes of all these seals, one after the other.
    pub seals: Vec<u8>,
}

impl Proof {
    /// The proof as a file. An error if a decoder would refuse it.
    pub fn encode(&self) -> Result<Vec<u8>, Malformed> {
        let mut out = MAGIC.to_vec();
        let mut w = CborWriter::new(&mut out);
        w.map(6);
        w.u8(0).bytes(&self.core);
        w.u8(1).bytes(&self.salt);
        w.u8(2).u64(self.index);
        w.u8(3).bytes(self.path.as_flattened());
        w.u8(4).array(self.seal_lengths.len() as u64);
        for length in &self.seal_lengths {
            w.u64(*length);
        }
        w.u8(5).bytes(&self.seals);
        let digest = *blake3::hash(&out).as_bytes();
        out.extend_from_slice(&digest);
        Self::decode(&out)?;
        Ok(out)
    }

    /// Decodes a proof and checks what the format promises of it.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        Malformed::limit(WHAT, bytes.len() as u64, limit::PROOF_BYTES)?;
        let wrong = |why: &str| Malformed::new(WHAT, why);
        let (magic, rest) = bytes.split_first_chunk::<16>().ok_or_else(|| wrong("cut short"))?;
        if magic != MAGIC {
            return Err(match magic {
                [name @ .., digit @ b'2'..=b'9', b'\n'] if name == &MAGIC[..14] => {
                    Malformed::Newer { what: WHAT, found: u64::from(digit - b'0') }
                }
                _ => wrong("not a proof"),
            });
        }
        let (content, digest) = rest.split_last_chunk::<DIGEST_BYTES>().ok_or_else(|| wrong("cut short"))?;
        // Detects accidental damage, and tells it apart from a proof that is whole and wrong. The seals protect against forgery.
        if blake3::hash(&bytes[..bytes.len() - DIGEST_BYTES]).as_bytes() != digest {
            return Err(wrong("its digest is not that of its bytes"));
        }
        Self::decode_content(content)
    }

    fn decode_content(content: &[u8]) -> Result<Self, Malformed> {
        let mut r = CborReader::new(content, WHAT);
        let mut p =
            Self { core: Vec::new(), salt: [0; 16], index: 0, path: Vec::new(), seal_lengths: Vec::new(), seals: Vec::new() };
        let (mut seen, mut last) = (0u32, None);
        for _ in 0..r.map()? {
            let key = r.key(&mut last)?;
            if key < 6 {
                seen |= 1 << key;
            }
            match key {
                0 => {
                    let core = r.bytes()?;
                    Malformed::limit("record", core.len() as u64, limit::RECORD_BYTES)?;
                    p.core = core.to_vec();
                }
                1 => p.salt = r.fixed()?,
                2 => p.index = r.count()?,
                3 => {
                    let (path, []) = r.bytes()?.as_chunks::<32>() else { return Err(r.wrong("a hash is cut short")) };
                    Malformed::limit("hashes of an audit path", path.len() as u64, limit::PROOF_STEPS)?;
                    p.path = path.to_vec();
                }
                4 => {
                    let n = r.array()?;
                    p.seal_lengths.reserve(r.capacity(n, 1));
                    for _ in 0..n {
                        p.seal_lengths.push(r.count()?);
                    }
                    let all = p.seal_lengths.iter().try_fold(0u64, |sum, n| sum.checked_add(*n)).unwrap_or(u64::MAX);
                    Malformed::limit("seals of a proof", all, limit::PROOF_BYTES)?;
                }
                5 => p.seals = r.bytes()?.to_vec(),
                _ => r.skip_unknown(key, 1)?,
            }
        }
        r.end()?;
        if seen != 0b11_1111 {
            return Err(r.wrong("a required key is missing"));
        }
        if p.seal_lengths.is_empty() || p.seal_lengths.contains(&0) {
            return Err(r.wrong("a seal without bytes"));
        }
        Ok(p)
    }
}

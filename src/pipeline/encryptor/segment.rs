//! age's payload: segments of 64 KiB, each under ChaCha20-Poly1305 with its number as the nonce and a mark on the last.
//!
//! This is STREAM as defined in <https://age-encryption.org/v1>, "Payload". The cipher is `ring`'s.

use super::DecryptError;
use age::secrecy::ExposeSecret;
use age_core::format::FileKey;
use age_core::primitives::hkdf;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::Zeroize;

/// Bytes of content of every segment but the last. The last may be shorter; it is empty only if the whole payload is.
pub const SEGMENT_BYTES: usize = 64 << 10;
pub(super) const TAG_BYTES: usize = 16;
pub(super) const NONCE_BYTES: usize = 16;

/// The key of one file's payload.
///
/// Boxed, so that there is one place to wipe when it is dropped. `ring` copies the key while it takes it over; those
/// copies are on the stack and not in our hands.
pub(super) struct PayloadKey(Box<LessSafeKey>);

impl PayloadKey {
    /// A file key serves one file only, so that no pair of key and nonce is ever used twice.
    pub fn derive(file_key: &FileKey, nonce: &[u8; NONCE_BYTES]) -> Self {
        let mut key = hkdf(nonce, b"payload", file_key.expose_secret());
        let ours = Self(Box::new(cipher(&key)));
        key.zeroize();
        ours
    }

    /// Encrypts a segment where it lies and returns its tag.
    pub fn encrypt(&self, index: u64, last: bool, segment: &mut [u8]) -> [u8; TAG_BYTES] {
        debug_assert!(segment.len() <= SEGMENT_BYTES);
        let tag = self.0.seal_in_place_separate_tag(nonce(index, last), Aad::empty(), segment);
        let tag = tag.unwrap_or_else(|_| unreachable!("a segment is far below the cipher's limit of 256 GiB"));
        tag.as_ref().try_into().unwrap_or_else(|_| unreachable!("a tag has 16 bytes"))
    }

    /// Decrypts a segment (content and tag) where it lies and returns the length of its content. After an error the
    /// bytes are worthless and must not be used.
    pub fn decrypt(&self, index: u64, last: bool, segment: &mut [u8]) -> Result<usize, DecryptError> {
        let content = self.0.open_in_place(nonce(index, last), Aad::empty(), segment);
        Ok(content.map_err(|_| DecryptError::segment(index))?.len())
    }
}

impl Drop for PayloadKey {
    fn drop(&mut self) {
        *self.0 = cipher(&[0; 32]);
        // Without a use of the value the compiler may omit the overwriting.
        std::hint::black_box(&self.0);
    }
}

fn cipher(key: &[u8; 32]) -> LessSafeKey {
    let key = UnboundKey::new(&CHACHA20_POLY1305, key);
    LessSafeKey::new(key.unwrap_or_else(|_| unreachable!("the key has 32 bytes")))
}

/// 11 bytes of big-endian counter and one byte that is 1 for the last segment.
fn nonce(index: u64, last: bool) -> Nonce {
    let mut bytes = [0; NONCE_LEN];
    bytes[3..11].copy_from_slice(&index.to_be_bytes());
    bytes[11] = u8::from(last);
    Nonce::assume_unique_for_key(bytes)
}

/// The number of segments and the bytes of content of a payload of `stored` bytes; `None` if no payload has that length.
pub(super) fn divide(stored: u64) -> Option<(u64, u64)> {
    let count = stored.div_ceil((SEGMENT_BYTES + TAG_BYTES) as u64);
    let last = stored.checked_sub(count.checked_sub(1)? * (SEGMENT_BYTES + TAG_BYTES) as u64)?;
    let empty = last == TAG_BYTES as u64;
    (last >= TAG_BYTES as u64 && (count == 1 || !empty)).then(|| (count, stored - count * TAG_BYTES as u64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::object::unhex;

    /// RFC 8439, section 2.8.2: what the AEAD under us computes, with associated data that a segment never has.
    #[test]
    fn aead_is_that_of_rfc_8439() {
        let key = unhex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f").unwrap();
        let nonce = Nonce::assume_unique_for_key(unhex("070000004041424344454647").unwrap());
        let aad: [u8; 12] = unhex("50515253c0c1c2c3c4c5c6c7").unwrap();
        let mut text = *b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, \
            sunscreen would be it.";
        let tag = cipher(&key).seal_in_place_separate_tag(nonce, Aad::from(aad), &mut text).unwrap();
        let expected: [u8; 114] = unhex(concat!(
            "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6",
            "3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36",
            "92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc",
            "3ff4def08e4b7a9de576d26586cec64b6116",
        ))
        .unwrap();
        assert_eq!(text, expected);
        assert_eq!(tag.as_ref(), unhex::<16>("1ae10b594f09e26a7e902ecbd0600691").unwrap());
    }

    #[test]
    fn payloads_divide_on_every_border() {
        let s = SEGMENT_BYTES as u64;
        assert_eq!(divide(0), None);
        assert_eq!(divide(15), None);
        assert_eq!(divide(16), Some((1, 0)));
        assert_eq!(divide(s + 16), Some((1, s)));
        assert_eq!(divide(s + 17), None);
        assert_eq!(divide(s + 32), None, "an empty last segment behind a full one");
        assert_eq!(divide(s + 33), Some((2, s + 1)));
        assert_eq!(divide(2 * (s + 16)), Some((2, 2 * s)));
    }
}

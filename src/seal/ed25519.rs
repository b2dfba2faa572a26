//! Ed25519 as section 7 of `docs/format.md` defines it.
//!
//! RFC 8032 lets verifiers differ: on encodings that are not canonical, on points of small order, and on whether the
//! equation is multiplied by the cofactor. A seal that one program accepts and another one refuses would be no
//! evidence, so the format leaves nothing open.

use ed25519_dalek::{Signature, VerifyingKey};

/// p = 2²⁵⁵ − 19, the order of the field, least significant byte first.
const P: [u8; 32] = {
    let mut bytes = [0xFF; 32];
    (bytes[0], bytes[31]) = (0xED, 0x7F);
    bytes
};

/// Whether `signature` is the one that `key` made of `message`: key and R canonical and not of small order, S below L,
/// and the equation without the cofactor.
pub fn verify(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    let Some(r) = signature.first_chunk() else { unreachable!("a signature begins with R") };
    // `verify_strict` refuses what is not on the curve or of small order, and an S that is not below L. It compares R
    // with the canonical encoding of the point that it computes. But it takes a key in whatever encoding, and hashes it
    // as it is.
    if !is_canonical(key) || !is_canonical(r) {
        return false;
    }
    let Ok(key) = VerifyingKey::from_bytes(key) else { return false };
    key.verify_strict(message, &Signature::from_bytes(signature)).is_ok()
}

/// Whether y, the point's first 255 bits, is below p.
///
/// The two points with x = 0 have a second encoding of another kind, with the sign bit set. Both are of small order.
fn is_canonical(point: &[u8; 32]) -> bool {
    let mut y = *point;
    y[31] &= 0x7F;
    y.iter().rev().lt(P.iter().rev())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::object::unhex;

    #[test]
    fn encodings_are_canonical_below_p() {
        let mut y = P;
        for (last, canonical) in [(0xEC, true), (0xED, false), (0xEE, false), (0xFF, false)] {
            y[0] = last;
            for sign in [0, 0x80] {
                y[31] = 0x7F | sign;
                assert_eq!(is_canonical(&y), canonical, "{last:x} {sign:x}");
            }
        }
        for small in [0, 1, 0xFF] {
            let mut y = [0; 32];
            y[0] = small;
            assert!(is_canonical(&y));
            y[31] = 0x80;
            assert!(is_canonical(&y));
        }
        y = P;
        y[15] = 0xFE;
        assert!(is_canonical(&y));
    }

    /// RFC 8032, section 7.1, test 2.
    #[test]
    fn a_signature_of_rfc_8032_is_good() {
        let key = unhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c").unwrap();
        let signature: [u8; 64] = unhex(concat!(
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da",
            "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ))
        .unwrap();
        assert!(verify(&key, &[0x72], &signature));
        assert!(!verify(&key, &[0x73], &signature));
    }
}

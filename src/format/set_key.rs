//! Section 9: the secret of a set, from which its chunk ids, cuts and salts are derived.

/// The set key: 32 secret bytes. Wipes itself; `Debug` shows nothing.
#[derive(Clone, PartialEq, Eq, zeroize::Zeroize, zeroize::ZeroizeOnDrop)]
pub struct SetKey(pub [u8; 32]);

impl std::fmt::Debug for SetKey {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str("SetKey")
    }
}

impl SetKey {
    /// `K_salt`, which salts the leaves of the records' Merkle tree.
    pub fn record_salt_key(&self) -> [u8; 32] {
        blake3::derive_key("azekura 1 record salt", &self.0)
    }
}

//! The secret that every chunk id, cut and salt of a set is derived from.

/// The set key: 32 secret bytes from which a set's other keys are derived (section 9 of the format).
#[derive(Clone, PartialEq, Eq, zeroize::Zeroize, zeroize::ZeroizeOnDrop)]
pub struct SetKey(pub [u8; 32]);

/// Shows nothing.
impl std::fmt::Debug for SetKey {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str("SetKey")
    }
}

impl SetKey {
    /// `K_salt`: salts the leaves of the records' tree.
    pub fn record_salt_key(&self) -> [u8; 32] {
        blake3::derive_key("azekura 1 record salt", &self.0)
    }
}

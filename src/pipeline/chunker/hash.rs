//! Section 12: the hash of a position, and the tie hash, under one set's key.

/// The tables of the hashes, which `K_cut` determines.
pub(super) struct Hash {
    /// `S` as the rows of its matrix, row 0 the highest byte: the order of `gf2p8affineqb`.
    pub rows: u64,
    /// `S[b]`.
    pub table: [u8; 256],
    /// `S[b]` in the upper half, so that 32 bits of a sum overflow where the 16 bits of the hash do.
    pub upper: [u32; 256],
    ties: [u64; 9],
}

impl Hash {
    pub fn new(set_key: &[u8; 32]) -> Self {
        let mut stream = blake3::Hasher::new_derive_key("azekura 1 chunker").update(set_key).finalize_xof();
        let mut next = || {
            let mut bytes = [0; 8];
            stream.fill(&mut bytes);
            bytes
        };
        let rows = loop {
            let rows = next();
            if is_invertible(rows) {
                break rows;
            }
        };
        let table = std::array::from_fn(|b| {
            (0..8).fold(0, |s, i| {
                let parity = (rows[i] & b as u8).count_ones() as u8 & 1;
                s | parity << i
            })
        });
        Self {
            rows: u64::from_be_bytes(rows),
            table,
            upper: table.map(|s| u32::from(s) << 16),
            ties: std::array::from_fn(|_| u64::from_le_bytes(next())),
        }
    }

    /// `h(p)`: of the 16 bytes before `p`.
    pub fn at(&self, data: &[u8], p: usize) -> i16 {
        let h = data[p - 16..p].iter().fold(0, |h: u16, b| (h << 1).wrapping_add(u16::from(self.table[usize::from(*b)])));
        h.cast_signed()
    }

    /// `t(p)`: of the 64 bytes before `p`.
    pub fn tie(&self, data: &[u8], p: usize) -> u64 {
        let (words, _) = data[p - 64..p].as_chunks();
        words.iter().zip(&self.ties).fold(self.ties[8], |t, (word, k)| {
            let t = (t ^ u64::from_le_bytes(*word)).wrapping_mul(k | 1);
            t ^ t >> 32
        })
    }
}

/// Whether the rows are linearly independent.
fn is_invertible(mut rows: [u8; 8]) -> bool {
    for column in 0..8 {
        let Some(pivot) = (column..8).find(|r| rows[*r] >> column & 1 == 1) else {
            return false;
        };
        rows.swap(column, pivot);
        for r in column + 1..8 {
            if rows[r] >> column & 1 == 1 {
                rows[r] ^= rows[column];
            }
        }
    }
    true
}

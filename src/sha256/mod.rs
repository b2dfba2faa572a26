//! SHA-256 (FIPS 180-4) of one stream, or of two side by side.
//!
//! The processor's SHA instructions wait for each other: each needs the result of the one before. A second stream fills the
//! gaps, so two take a fifth less time together than one after the other (`cargo bench --bench stations -- hash`).
//!
//! **Invariant:** both ways give the same digests as the crate `sha2`, whose block function is used wherever one stream is
//! alone.

#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "vectors are loaded from arrays of their length")]
mod x86;

use sha2::block_api::compress256;

const BLOCK: usize = 64;

/// FIPS 180-4, 5.3.3.
const BEGIN: [u32; 8] = [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// The SHA-256 of bytes that come part by part.
#[derive(Clone)]
pub struct Sha256 {
    state: [u32; 8],
    /// Bytes so far. The last `length % BLOCK` of them wait in `partial`.
    length: u64,
    partial: [u8; BLOCK],
}

impl Default for Sha256 {
    fn default() -> Self {
        Self { state: BEGIN, length: 0, partial: [0; BLOCK] }
    }
}

impl Sha256 {
    /// Of bytes that are in memory as a whole.
    pub fn digest(bytes: &[u8]) -> [u8; 32] {
        let mut stream = Self::default();
        stream.update(bytes);
        stream.finish()
    }

    /// Adds the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        let (blocks, rest) = self.complete_block(bytes).as_chunks();
        self.add_blocks(blocks, compress256);
        self.keep(rest);
    }

    /// The digest of everything added.
    pub fn finish(mut self) -> [u8; 32] {
        let bits = self.length.wrapping_mul(8).to_be_bytes();
        let waiting = (self.length % BLOCK as u64) as usize;
        let zeros = (2 * BLOCK - bits.len() - 1 - waiting) % BLOCK;
        let mut padding = [0; 2 * BLOCK];
        padding[0] = 0x80;
        padding[1 + zeros..][..bits.len()].copy_from_slice(&bits);
        self.update(&padding[..1 + zeros + bits.len()]);
        let mut digest = [0; 32];
        digest.as_chunks_mut().0.iter_mut().zip(self.state).for_each(|(out, word)| *out = word.to_be_bytes());
        digest
    }

    /// Completes the block that waits, as far as the bytes suffice, and returns the others.
    fn complete_block<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let waiting = (self.length % BLOCK as u64) as usize;
        if waiting == 0 {
            return bytes;
        }
        let (first, rest) = bytes.split_at(bytes.len().min(BLOCK - waiting));
        self.keep(first);
        if self.length.is_multiple_of(BLOCK as u64) {
            compress256(&mut self.state, &[self.partial]);
        }
        rest
    }

    /// Adds blocks where none waits.
    fn add_blocks(&mut self, blocks: &[[u8; BLOCK]], compress: impl FnOnce(&mut [u32; 8], &[[u8; BLOCK]])) {
        compress(&mut self.state, blocks);
        self.length += (blocks.len() * BLOCK) as u64;
    }

    /// Keeps bytes that do not reach beyond the block that waits.
    fn keep(&mut self, bytes: &[u8]) {
        let waiting = (self.length % BLOCK as u64) as usize;
        self.partial[waiting..][..bytes.len()].copy_from_slice(bytes);
        self.length += bytes.len() as u64;
    }
}

/// Adds bytes to two streams, side by side as far as both have blocks.
pub fn update_both((first, a): (&mut Sha256, &[u8]), (second, b): (&mut Sha256, &[u8])) {
    let (a, b) = (first.complete_block(a), second.complete_block(b));
    let blocks = (a.len() / BLOCK).min(b.len() / BLOCK);
    let ((a, rest_a), (b, rest_b)) = (a.split_at(blocks * BLOCK), b.split_at(blocks * BLOCK));
    let (a, b) = (a.as_chunks().0, b.as_chunks().0);
    first.add_blocks(a, |x, a| second.add_blocks(b, |y, b| compress_both([x, y], [a, b])));
    first.update(rest_a);
    second.update(rest_b);
}

/// As many blocks of the one as of the other.
#[cfg_attr(target_arch = "x86_64", expect(unsafe_code, reason = "the kernel may be called where it is available"))]
fn compress_both(states: [&mut [u32; 8]; 2], blocks: [&[[u8; BLOCK]]; 2]) {
    #[cfg(target_arch = "x86_64")]
    if x86::is_available() {
        // SAFETY: the processor has the instructions.
        return unsafe { x86::compress_both(states, blocks) };
    }
    let ([x, y], [a, b]) = (states, blocks);
    compress256(x, a);
    compress256(y, b);
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::Digest as _;

    fn content(length: usize, seed: u32) -> Vec<u8> {
        (0..length as u32).map(|n| (n.wrapping_mul(2_654_435_761) ^ seed).to_le_bytes()[3]).collect()
    }

    fn expected(bytes: &[u8]) -> [u8; 32] {
        sha2::Sha256::digest(bytes).into()
    }

    /// FIPS 180-4's own example, and every length around the padding's borders.
    #[test]
    fn a_stream_has_the_digest_of_its_bytes() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(data_encoding::HEXLOWER.encode(&Sha256::digest(b"abc")), abc);
        for length in 0..300 {
            let bytes = content(length, 1);
            assert_eq!(Sha256::digest(&bytes), expected(&bytes), "{length} bytes");
            let mut parts = Sha256::default();
            bytes.chunks(1 + length % 67).for_each(|part| parts.update(part));
            assert_eq!(parts.finish(), expected(&bytes), "{length} bytes in parts");
        }
    }

    /// Streams of any lengths, cut anywhere: one may have a block that waits, or end, where the other goes on.
    #[test]
    fn two_streams_side_by_side_have_the_digests_of_each_alone() {
        for (of_a, of_b, part_a, part_b) in
            [(10_000, 10_000, 640, 640), (9_999, 777, 65, 64), (0, 5000, 1, 999), (64, 63, 64, 64), (4096, 4097, 1000, 63)]
        {
            let (a, b) = (content(of_a, 2), content(of_b, 3));
            let (mut first, mut second) = (Sha256::default(), Sha256::default());
            let (mut parts_a, mut parts_b) = (a.chunks(part_a), b.chunks(part_b));
            loop {
                let (x, y) = (parts_a.next(), parts_b.next());
                if x.is_none() && y.is_none() {
                    break;
                }
                update_both((&mut first, x.unwrap_or_default()), (&mut second, y.unwrap_or_default()));
            }
            assert_eq!((first.finish(), second.finish()), (expected(&a), expected(&b)), "{of_a} and {of_b} bytes");
        }
    }
}

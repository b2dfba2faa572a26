//! What hospitals have, as far as speed goes: three kinds of content, the same on every machine.

/// Lines of a laboratory's journal: zstd makes a fifth of it.
fn text(len: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(len + 100);
    let mut n = 1u64;
    while out.len() < len {
        n = next(n);
        let line = format!(
            "2026-11-{:02}T{:02}:{:02}:00Z;patient {:06};GLU {};mg/dL\n",
            n % 28 + 1,
            n >> 8 & 15,
            n >> 12 & 31,
            n >> 20 & 0xffff,
            70 + (n >> 40) % 60
        );
        out.extend_from_slice(line.as_bytes());
    }
    out.truncate(len);
    out
}

/// 16-bit pixels of 12 bits with noise, as a scanner writes them: compresses a little.
fn image(len: usize) -> Vec<u8> {
    let mut n = 1u64;
    let pixel = |i: usize| {
        n = next(n);
        (((i / 512 % 1024) + (n >> 58) as usize) as u16).to_le_bytes()
    };
    (0..len / 2).flat_map(pixel).collect()
}

/// Already compressed or encrypted: does not compress at all.
pub fn random(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(b"bench").finalize_xof().fill(&mut bytes);
    bytes
}

/// xorshift64
fn next(mut n: u64) -> u64 {
    n ^= n << 13;
    n ^= n >> 7;
    n ^ n << 17
}

pub type Kind = (&'static str, fn(usize) -> Vec<u8>);

pub const KINDS: [Kind; 3] = [("text", text), ("image", image), ("random", random)];

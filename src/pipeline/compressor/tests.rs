use super::*;
use crate::format::pack::{ChunkId, Frame};
use proptest::prelude::*;
use std::io::Write;
use std::process::{Command, Stdio};

fn random(length: usize) -> Vec<u8> {
    let mut out = vec![0; length];
    blake3::Hasher::new().update(b"random").finalize_xof().fill(&mut out);
    out
}

fn text(length: usize) -> Vec<u8> {
    let line = |n: usize| format!("PID|||{n:08}^^^^PI~{:x}||患者^{}^L\r", n * 7919, n % 97);
    (0..).flat_map(|n| line(n).into_bytes()).take(length).collect()
}

/// Like a scanner's 16-bit image: a smooth signal with 5 bits of noise.
fn image(length: usize) -> Vec<u8> {
    let noise = random(length);
    (0..length / 2).flat_map(|i| (1000 + (i / 64 % 512) as u16 + u16::from(noise[i] & 31)).to_le_bytes()).collect()
}

fn frame(content: &[u8]) -> Vec<u8> {
    let mut out = b"before".to_vec();
    let stored = Compressor::new(DEFAULT_LEVEL).unwrap().compress(content, &mut out).unwrap();
    assert_eq!(stored as usize, out.len() - 6);
    out.split_off(6)
}

fn decoded(stored: &[u8]) -> Result<Vec<u8>, FrameError> {
    let mut out = b"kept".to_vec();
    let result = Decompressor::new().unwrap().decompress(stored, &mut out);
    assert!(out.starts_with(b"kept") && (result.is_ok() || out.len() == 4));
    result.map(|()| out.split_off(4))
}

const LENGTHS: [usize; 12] =
    [0, 1, 255, 256, 65_791, 65_792, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 2 * BLOCK_BYTES, 1 << 20, 4 << 20];

#[test]
fn content_of_every_kind_and_length_is_restored() {
    for length in LENGTHS {
        for content in [random(length), text(length), image(length), vec![0; length]] {
            let stored = frame(&content);
            assert_eq!(decoded(&stored).unwrap(), content);
            assert_eq!(content_size(&stored).unwrap(), content.len() as u64);
            assert_eq!(content_size(&stored[..stored.len().min(18)]).unwrap(), content.len() as u64);
            assert_eq!(frame_length(&[&stored[..], b"more"].concat()).unwrap(), stored.len());
            assert!(stored.len() <= raw_length(content.len()));
            assert_eq!(zstd::zstd_safe::get_dict_id_from_frame(&stored), None);
        }
        let stored = frame(&random(length));
        // For short content zstd makes the raw frame itself, with fewer bytes for the length.
        assert!((raw_length(length) - 3..=raw_length(length)).contains(&stored.len()), "random content is kept raw");
    }
}

#[test]
fn what_compresses_is_compressed() {
    assert!(frame(&text(1 << 20)).len() < 1 << 18);
    let (raw, stored) = (1 << 20, frame(&image(1 << 20)).len());
    assert!(stored < raw * 7 / 10, "noisy images are worth it: {stored}");
    // A pack of pictures with text between them.
    let mixed = [text(700 << 10), random(324 << 10)].concat();
    assert!(frame(&mixed).len() < 600 << 10);
}

#[test]
fn content_above_the_limit_is_refused() {
    let mut c = Compressor::new(99).unwrap();
    let mut out = Vec::new();
    let error = c.compress(&vec![0; (4 << 20) + 1], &mut out).unwrap_err();
    assert!(matches!(error, FrameError::TooLarge { limit: 0x40_0000, .. }) && out.is_empty());
    c.compress_manifest(&text(5 << 20), &mut out).unwrap();
    let mut d = Decompressor::new().unwrap();
    let mut content = Vec::new();
    assert!(matches!(d.decompress(&out, &mut content), Err(FrameError::Malformed { .. })));
    d.decompress_manifest(&out, &mut content).unwrap();
    assert_eq!(content, text(5 << 20));
}

/// RFC 8878, 3.1.1.1.2.
fn window(frame: &[u8]) -> u64 {
    match frame[4] & 0b0010_0000 {
        0 => {
            let base = 1 << (10 + (frame[5] >> 3));
            base + base / 8 * u64::from(frame[5] & 7)
        }
        _ => content_size(frame).unwrap(),
    }
}

#[test]
fn no_frame_needs_a_window_above_8_mib() {
    let large = WINDOW_BYTES + 300_000;
    for (level, content) in [(3, random(large)), (3, text(large)), (3, random(WINDOW_BYTES)), (19, text(WINDOW_BYTES + 1))] {
        let (mut stored, mut again) = (Vec::new(), Vec::new());
        Compressor::new(level).unwrap().compress_manifest(&content, &mut stored).unwrap();
        assert!(window(&stored) <= 8 << 20, "level {level}: {}", window(&stored));
        assert!(stored.len() <= raw_length(content.len()));
        Decompressor::new().unwrap().decompress_manifest(&stored, &mut again).unwrap();
        assert!(again == content);
    }
    assert!(window(&frame(&text(4 << 20))) <= 8 << 20);
}

#[test]
fn frames_outside_the_format_are_refused() {
    let stored = frame(&text(100_000));
    let why = |bytes: &[u8]| match decoded(bytes).unwrap_err() {
        FrameError::Malformed(source) => source.to_string(),
        other => other.to_string(),
    };
    assert_eq!(why(&[&stored[..], &stored[..]].concat()), "frame: bytes behind the frame");
    assert_eq!(why(b"\x5a\x2a\x4d\x18\0\0\0\0"), "frame: it does not begin as a zstd frame does");
    // Format v0.7, which zstd could once read.
    assert_eq!(why(b"\x27\xb5\x2f\xfd\0\0\0\0"), "frame: it does not begin as a zstd frame does");
    assert_eq!(why(b"\x28\xb5\x2f\xfd\0\x58\x01\0\0"), "frame: it does not say the length of its content");
    assert_eq!(why(b"\x28\xb5\x2f\xfd\x21\x07\0\x01\0\0"), "frame: it needs a dictionary");
    assert_eq!(why(b"\x28\xb5\x2f\xfd\x28\0\x01\0\0"), "frame: a reserved bit is set");
    let huge = [b"\x28\xb5\x2f\xfd\xe0".as_slice(), &u64::MAX.to_le_bytes(), b"\x01\0\0"].concat();
    assert_eq!(why(&huge), format!("frame, content: {} is more than the limit of 4194304", u64::MAX));
    // Announces less, or more, than it contains.
    let mut raw = Vec::new();
    write_raw(b"content", &mut raw);
    for announced in [6, 8] {
        raw[5] = announced;
        assert!(decoded(&raw).is_err());
    }
}

#[test]
fn the_zstd_command_reads_raw_frames() {
    let mut child = match Command::new("zstd").arg("-dc").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn() {
        Ok(child) => child,
        // Skipped where it is not installed.
        Err(_) => return,
    };
    let mut content: Vec<u8> = LENGTHS[..11].iter().flat_map(|n| random(*n)).collect();
    let mut payload: Vec<u8> = LENGTHS[..11].iter().flat_map(|n| frame(&random(*n))).collect();
    content.extend(random(WINDOW_BYTES + 1));
    write_raw(&random(WINDOW_BYTES + 1), &mut payload);
    Index::default().encode(&mut payload);
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(&payload));
    let out = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(out.status.success() && out.stdout == content);
}

fn payload() -> (Vec<u8>, Index) {
    let mut compressor = Compressor::new(1).unwrap();
    let (mut out, mut index) = (Vec::new(), Index::default());
    for content in [text(5000), random(3000)] {
        let stored = compressor.compress(&content, &mut out).unwrap();
        index.frames.push(Frame { stored, chunks: vec![(ChunkId([7; 16]), content.len() as u32)] });
    }
    index.encode(&mut out);
    (out, index)
}

#[test]
fn the_index_is_found_from_the_end() {
    let (bytes, index) = payload();
    assert_eq!(read_index(&mut Cursor::new(&bytes)).unwrap(), index);
    let mut stored = &bytes[..];
    for f in &index.frames {
        assert_eq!(frame_length(stored).unwrap(), f.stored as usize);
        stored = &stored[f.stored as usize..];
    }
    for cut in 0..bytes.len() {
        assert!(read_index(&mut Cursor::new(&bytes[..cut])).is_err());
        assert!(cut == 0 || read_index(&mut Cursor::new(&bytes[cut..])).is_err(), "a payload without its beginning");
    }
    let skippable = index.frames.iter().map(|f| f.stored as usize).sum::<usize>();
    for at in skippable..bytes.len() {
        let mut bad = bytes.clone();
        bad[at] ^= 0x10;
        assert!(read_index(&mut Cursor::new(&bad)).map_or(true, |i| i != index), "flip at {at}");
    }
    let mut empty = Vec::new();
    Index::default().encode(&mut empty);
    assert_eq!(read_index(&mut Cursor::new(&empty)).unwrap(), Index::default());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_goes_in_comes_out(
        seed in prop::collection::vec(any::<u8>(), 1..2000),
        times in 1usize..80,
        level in 1i32..6,
    ) {
        let content = seed.repeat(times);
        let mut out = Vec::new();
        Compressor::new(level).unwrap().compress(&content, &mut out).unwrap();
        prop_assert_eq!(decoded(&out).unwrap(), content);
    }

    #[test]
    fn damaged_frames_never_panic(kind in 0..3, length in 0usize..300_000, flip in any::<prop::sample::Index>(),
                                  bit in 0u8..8, cut in any::<prop::sample::Index>()) {
        let content = match kind { 0 => text(length), 1 => random(length), _ => image(length) };
        let mut stored = frame(&content);
        prop_assert!(decoded(&stored[..cut.index(stored.len())]).is_err());
        let at = flip.index(stored.len());
        stored[at] ^= 1 << bit;
        let _ = (decoded(&stored), frame_length(&stored), content_size(&stored));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), dress in any::<bool>()) {
        let bytes = if dress { [&MAGIC.to_le_bytes()[..], &bytes].concat() } else { bytes };
        let _ = (decoded(&bytes), frame_length(&bytes), content_size(&bytes));
        let _ = read_index(&mut Cursor::new(&bytes));
        let _ = read_index(&mut Cursor::new([&bytes[..], b"\x05\0\0\0AZIX"].concat()));
    }
}

/// `cargo test --release frame_rates -- --ignored --nocapture`.
#[test]
#[ignore = "measures"]
fn frame_rates() {
    for (name, content) in [("random", random(1 << 20)), ("text", text(1 << 20)), ("image", image(1 << 20))] {
        for level in [1, 3] {
            let mut c = Compressor::new(level).unwrap();
            let mut d = Decompressor::new().unwrap();
            let (mut out, mut back) = (Vec::with_capacity(2 << 20), Vec::with_capacity(2 << 20));
            let mut times = [const { Vec::new() }; 3];
            for _ in 0..21 {
                out.clear();
                back.clear();
                let start = std::time::Instant::now();
                c.compress(&content, &mut out).unwrap();
                times[0].push(start.elapsed());
                let start = std::time::Instant::now();
                d.decompress(&out, &mut back).unwrap();
                times[1].push(start.elapsed());
                let start = std::time::Instant::now();
                std::hint::black_box(c.is_promising(&content));
                times[2].push(start.elapsed());
            }
            let [compress, decompress, probe] = times.map(|mut t| {
                t.sort_unstable();
                content.len() as f64 / t[t.len() / 2].as_secs_f64() / 1e9
            });
            let ratio = content.len() as f64 / out.len() as f64;
            println!(
                "{name:7} level {level}: {compress:.2} GB/s checked, back {decompress:.2}, probe {probe:.0}, ratio {ratio:.2}"
            );
        }
    }
}

#[test]
fn a_slow_medium_makes_frames_smaller_within_bounds() {
    let auto = CompressionLevel::new(None);
    assert_eq!(auto.get(), DEFAULT_LEVEL);
    auto.lower();
    assert_eq!(auto.get(), DEFAULT_LEVEL);
    (0..20).for_each(|_| auto.raise());
    assert_eq!(auto.get(), HIGHEST_LEVEL);
    auto.lower();
    assert_eq!(auto.get(), HIGHEST_LEVEL - 1);
    let fixed = CompressionLevel::new(Some(5));
    fixed.raise();
    fixed.lower();
    fixed.lower();
    assert_eq!(fixed.get(), 5);
    assert_eq!((CompressionLevel::new(Some(-3)).get(), CompressionLevel::new(Some(99)).get()), (1, 19));
}

#[test]
fn the_level_may_change_between_frames() {
    let content: Vec<u8> =
        (0..40_000u32).flat_map(|i| format!("OBX|{i}|NM|{}^HbA1c|{}|%\r", i % 91, i * 7919 % 1009).into_bytes()).collect();
    let content = &content[..1 << 20];
    let mut compressor = Compressor::new(1).unwrap();
    let lengths: Vec<u32> = [1, 8, 1]
        .into_iter()
        .map(|level| {
            compressor.set_level(level).unwrap();
            compressor.compress(content, &mut Vec::new()).unwrap()
        })
        .collect();
    assert!(lengths[1] < lengths[0] && lengths[0] == lengths[2], "{lengths:?}");
}

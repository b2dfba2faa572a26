//! A pack's payload: the index at its end, the frames in the index, and the frames by their own block headers.
#![no_main]

use azekura::format::limit;
use azekura::format::pack::{Extent, Index};
use azekura::pipeline::compressor::{check_frames, read_index};
use azekura::pipeline::packer::PackReader;
use libfuzzer_sys::fuzz_target;
use std::io::Cursor;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(index) = Index::decode(bytes) {
        let mut again = Vec::new();
        index.encode(&mut again);
        // Without the skippable frame's header and the trailer.
        let again = &again[8..again.len() - 8];
        assert!(again.len() <= bytes.len(), "the encoding is the shortest");
        assert_eq!(Index::decode(again), Ok(index));
    }
    let index = read_index(&mut Cursor::new(bytes));
    assert_eq!(PackReader::open(Cursor::new(bytes)).is_ok(), index.is_ok());
    let index = index.unwrap_or_default();
    let _ = check_frames(bytes, &index);
    let mut reader = PackReader::salvage(Cursor::new(bytes)).expect("zstd");
    // Frame after frame, with an index or without.
    let mut x = Extent { object: 0, frame: 0, offset: 0, length: limit::COUNT };
    for _ in 0..64 {
        if !read(&mut reader, &mut x) {
            break;
        }
    }
    let mut frame = 0;
    for f in index.frames.iter().take(64) {
        let content = f.content();
        for (offset, length) in [(0, content), (1, 1), (content as u32, 1), (u32::MAX, limit::COUNT), (0, content + 1)] {
            read(&mut reader, &mut Extent { object: 0, frame, offset, length });
        }
        frame += f.stored;
    }
});

/// Reads one frame's part of an extent; whether there was one.
fn read(reader: &mut PackReader<Cursor<&[u8]>>, x: &mut Extent) -> bool {
    let before = *x;
    let Ok(content) = reader.read_frame(x) else { return false };
    assert!(!content.is_empty() && u64::from(before.offset) + content.len() as u64 <= limit::FRAME_CONTENT_BYTES);
    assert_eq!(content.len() as u64 + x.length, before.length);
    true
}

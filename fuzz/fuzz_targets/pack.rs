//! A pack's payload: the index at its end, and the frames that it names.
#![no_main]

use azekura::format::pack::{Extent, Index};
use azekura::pipeline::compressor::read_index;
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
    let Ok(index) = read_index(&mut Cursor::new(bytes)) else { return };
    let mut reader = PackReader::open(Cursor::new(bytes)).expect("the index was read a moment ago");
    let mut frame = 0;
    for f in index.frames.iter().take(64) {
        for (offset, length) in
            [(0, f.content()), (1, 1), (f.content() as u32, 1), (u32::MAX, u64::MAX >> 1), (0, f.content() + 1)]
        {
            let mut x = Extent { object: 0, frame, offset, length };
            if let Ok(piece) = reader.read_piece(&mut x) {
                assert_eq!(piece.len() as u64 + x.length, length);
                assert!(!piece.is_empty() && u64::from(offset) + piece.len() as u64 <= f.content());
            }
        }
        frame += f.stored;
    }
});

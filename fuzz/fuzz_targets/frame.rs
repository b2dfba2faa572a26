//! A zstd frame, and content on its way into one.
#![no_main]

use azekura::pipeline::compressor::{Compressor, Decompressor, content_size, frame_length};
use libfuzzer_sys::fuzz_target;
use std::cell::RefCell;

thread_local! {
    static STATION: RefCell<(Compressor, Decompressor)> =
        RefCell::new((Compressor::new(1).expect("zstd"), Decompressor::new().expect("zstd")));
}

fuzz_target!(|bytes: &[u8]| {
    STATION.with_borrow_mut(|(compressor, decompressor)| {
        let mut out = b"before".to_vec();
        match decompressor.decompress(bytes, &mut out) {
            Ok(()) => {
                assert_eq!(content_size(bytes), Ok(out.len() as u64 - 6));
                assert_eq!(frame_length(bytes), Ok(bytes.len()));
            }
            Err(_) => assert_eq!(out, b"before", "after an error nothing was written"),
        }
        assert_eq!(out[..6], *b"before");

        let mut frame = Vec::new();
        let length = compressor.compress(bytes, &mut frame).expect("content of a frame's size");
        assert_eq!(length as usize, frame.len());
        let mut again = Vec::new();
        decompressor.decompress(&frame, &mut again).expect("a frame that was just made");
        assert_eq!(again, bytes);
    });
});

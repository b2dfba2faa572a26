//! A generation whose seal is right and whose inside is hostile: from somebody who had the host, or a broken writer.
//!
//! `u32 length ‖ manifest ‖ payload of the pack`
#![no_main]

use azekura::generation::{Generation, Packs};
use azekura::seal::chain::Chain;
use azekura_fuzz as sample;
use libfuzzer_sys::fuzz_target;

/// Bytes that are read out of packs for one input.
const ENOUGH: usize = 16 << 20;

fuzz_target!(|bytes: &[u8]| {
    let Some((length, rest)) = bytes.split_first_chunk() else { return };
    let (manifest, payload) = rest.split_at(rest.len().min(u32::from_le_bytes(*length) as usize));
    let medium = sample::sealed(manifest, payload);
    let chain = Chain::read(&medium, sample::SET).expect("a simulated medium can be read");
    let Ok(generation) = Generation::open(&medium, &chain, None, &sample::IDENTITY) else { return };
    let mut packs = Packs::new(&generation);
    let mut read = 0;
    let mut last: Option<Vec<u8>> = None;
    for record in generation.entries().take(1000) {
        let Ok(record) = record else { break };
        let path = &record.entry.core.path;
        if let Some(last) = last.replace(path.clone()) {
            assert!(azekura::format::entry::compare_paths(&last, path).is_lt(), "paths ascend");
        }
        for mut x in record.entry.extents {
            while x.length > 0 && read < ENOUGH {
                let left = x.length;
                if packs.read_piece(&mut x, |piece| read += piece.len()).is_err() {
                    break;
                }
                assert!(x.length < left, "each piece brings it further");
            }
        }
    }
});

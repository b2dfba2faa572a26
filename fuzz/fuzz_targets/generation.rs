//! A generation with a valid seal and hostile content: from an intruder on the host, or a broken writer.
//!
//! `u32 length ‖ manifest ‖ payload of the pack`
#![no_main]

use azekura::format::manifest::Source;
use azekura::generation::Generation;
use azekura::seal::chain::Chain;
use azekura_fuzz as sample;
use libfuzzer_sys::fuzz_target;

/// Records and bytes of content that are read for one input.
const RECORDS: usize = 1000;
const ENOUGH: usize = 16 << 20;

fuzz_target!(|bytes: &[u8]| {
    let Some((length, rest)) = bytes.split_first_chunk() else { return };
    let (manifest, payload) = rest.split_at(rest.len().min(u32::from_le_bytes(*length) as usize));
    let medium = sample::sealed(manifest, payload);
    let chain = Chain::read(&medium, sample::SET).expect("a simulated medium can be read");
    let Ok(generation) = Generation::open(&medium, &chain, None, &sample::IDENTITY) else { return };

    let mut paths: Vec<Vec<u8>> = Vec::new();
    let mut extents = Vec::new();
    for record in generation.entries().past_damage().take(RECORDS) {
        let Ok(record) = record else { break };
        let path = record.path().to_vec();
        let is_in_source = |s: &Source| azekura::generation::is_within(&path, &s.name);
        assert!(generation.manifest.sources.iter().any(is_in_source), "every record is in a source");
        if let Some(last) = paths.last() {
            assert!(azekura::format::entry::compare_paths(last, &path).is_lt(), "paths ascend");
        }
        paths.push(path);
        extents.extend(record.entry.map(|entry| entry.extents).unwrap_or_default());
    }

    let mut read = 0;
    for mut x in extents {
        let Ok(mut pack) = generation.open_pack(x.object) else { continue };
        while x.length > 0 && read < ENOUGH {
            let left = x.length;
            match pack.read_frame(&mut x) {
                Ok(content) => read += content.len(),
                Err(_) => pack.skip_frame(&mut x),
            }
            assert!(x.length < left, "every call shortens the extent");
        }
    }

    for wanted in [paths.first(), paths.get(paths.len() / 2), paths.last()].into_iter().flatten() {
        let Ok(frames) = generation.entry_frames() else { return };
        let Ok(Some(selected)) = frames.select(std::slice::from_ref(wanted)) else { continue };
        for record in selected.take(RECORDS) {
            let Ok(record) = record else { break };
            let path = record.path();
            let asked = azekura::generation::is_within(path, wanted) || azekura::generation::is_within(wanted, path);
            assert!(asked, "only the wanted path, entries below it and folders above it are selected");
        }
    }
});

//! age files of a pack's size, beside what the `age` crate makes of the same content.

use crate::data;
use crate::measure::{Clock, Entrant, Race};
use age::x25519;
use azekura::pipeline::encryptor::{Encryptor, Identity, decrypt_into};
use criterion::{Criterion, Throughput};
use rustix::time::ClockId;
use std::hint::black_box;
use std::io::{Read, Write};

const PACK: usize = 16 << 20;

pub fn age_files(c: &mut Criterion<Clock>) {
    let identity = Identity::generate();
    let recipients = identity.recipients();
    let theirs: x25519::Identity = identity.texts()[0].parse().expect("an identity");
    let to = theirs.to_public();
    let content = data::random(PACK);

    let mut file = Vec::new();
    let mut encrypt = || {
        let mut out = std::mem::take(&mut file);
        out.clear();
        let mut encryptor = Encryptor::begin(&recipients, out).expect("a header");
        encryptor.write(black_box(&content));
        file = encryptor.finish();
    };
    encrypt();
    let mut out = Vec::new();
    let by_crate = || {
        out.clear();
        let encryptor = age::Encryptor::with_recipients(std::iter::once(&to as _)).expect("a recipient");
        let mut writer = encryptor.wrap_output(&mut out).expect("a header");
        writer.write_all(black_box(&content)).expect("memory");
        writer.finish().expect("memory");
    };
    Race::new(c, ClockId::ThreadCPUTime, "encrypt", Throughput::Bytes, Entrant { units: PACK as u64, work: encrypt })
        .against("age", Entrant { units: PACK as u64, work: by_crate });

    let mut plain = Vec::new();
    let decrypt = || {
        plain.clear();
        decrypt_into(&identity, black_box(&file), PACK as u64, &mut plain).expect("a whole file");
    };
    let mut out = Vec::new();
    let by_crate = || {
        out.clear();
        let decryptor = age::Decryptor::new(black_box(&file[..])).expect("a header");
        let mut reader = decryptor.decrypt(std::iter::once(&theirs as _)).expect("its key");
        reader.read_to_end(&mut out).expect("a whole file");
    };
    Race::new(c, ClockId::ThreadCPUTime, "decrypt", Throughput::Bytes, Entrant { units: PACK as u64, work: decrypt })
        .against("age", Entrant { units: PACK as u64, work: by_crate });
}

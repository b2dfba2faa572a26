//! age files of a pack's size, beside what the `age` crate makes of the same content.

#[path = "data/mod.rs"]
mod data;

use age::x25519;
use azekura::pipeline::encryptor::{Encryptor, Identity, decrypt_into};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::io::{Read, Write};

const PACK: usize = 16 << 20;

fn age_files(c: &mut Criterion) {
    let [.., (_, random)] = data::KINDS;
    let identity = Identity::generate();
    let recipients = identity.recipients();
    let theirs: x25519::Identity = identity.texts()[0].parse().expect("an identity");
    let content = random(PACK);
    let mut file = Vec::new();

    let mut group = c.benchmark_group("age");
    group.throughput(Throughput::Bytes(PACK as u64)).sample_size(10);
    group.bench_function("encrypt", |b| {
        b.iter(|| {
            let mut out = std::mem::take(&mut file);
            out.clear();
            let mut encryptor = Encryptor::begin(&recipients, out).expect("a header");
            encryptor.write(black_box(&content));
            file = encryptor.finish();
        });
    });
    let mut plain = Vec::new();
    group.bench_function("decrypt", |b| {
        b.iter(|| {
            plain.clear();
            decrypt_into(&identity, black_box(&file), PACK as u64, &mut plain).expect("a whole file");
        });
    });
    let mut out = Vec::new();
    group.bench_function("encrypt, the crate", |b| {
        b.iter(|| {
            out.clear();
            let to = theirs.to_public();
            let encryptor = age::Encryptor::with_recipients(std::iter::once(&to as _)).expect("a recipient");
            let mut writer = encryptor.wrap_output(&mut out).expect("a header");
            writer.write_all(black_box(&content)).expect("memory");
            writer.finish().expect("memory");
        });
    });
    group.bench_function("decrypt, the crate", |b| {
        b.iter(|| {
            plain.clear();
            let decryptor = age::Decryptor::new(black_box(&file[..])).expect("a header");
            let mut reader = decryptor.decrypt(std::iter::once(&theirs as _)).expect("its key");
            reader.read_to_end(&mut plain).expect("a whole file");
        });
    });
    group.finish();
}

criterion_group!(benches, age_files);
criterion_main!(benches);

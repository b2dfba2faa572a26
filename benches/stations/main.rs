//! The stations that data passes, each alone and beside what others have for it: `cargo bench --bench stations`, with part of a name for
//! some of them. Times are those of the thread, so that other programs on the machine matter less; the table at the end tells how many times
//! as fast as each peer we are.

#[path = "../data/cutters.rs"]
mod cutters;
#[path = "../data/mod.rs"]
mod data;

mod compress;
mod cut;
mod dedup_index;
mod encrypt;
mod hash;
mod measure;
mod pack;

use measure::{criterion, print_ratios};
use rustix::time::ClockId;

fn main() {
    let mut cpu = criterion(ClockId::ThreadCPUTime);
    cut::cut(&mut cpu);
    cut::cut_and_hash(&mut cpu);
    hash::hash(&mut cpu);
    compress::compress(&mut cpu);
    compress::decompress(&mut cpu);
    encrypt::age_files(&mut cpu);
    pack::packs(&mut cpu);
    pack::store(&mut cpu);
    dedup_index::look_up(&mut cpu);
    let mut wall = criterion(ClockId::Monotonic);
    pack::store_in_two_threads(&mut wall);
    print_ratios();
}

//! One file per job of a user, named in the user's words.

mod bad_evening;
mod bad_restore;
#[expect(dead_code, reason = "only the vectors annotate")]
#[path = "../golden/cbor.rs"]
mod cbor;
mod clean;
mod clock;
mod compare;
mod copy;
mod damaged_medium;
mod day_one;
mod first_night;
#[path = "../golden/folded.rs"]
mod folded;
mod forger;
mod held_up;
mod history;
mod holes;
mod killed;
mod long_names;
#[path = "../machine/mod.rs"]
mod machine;
mod merge;
mod new_disks;
mod other_program;
mod other_writer;
mod planted;
mod power_cut;
mod priorities;
mod prove;
mod rebuild;
mod shrinking_sources;
mod spelling;
mod stamp;
mod stolen_host;
mod tape;
mod tools;
mod tripwires;
mod world;

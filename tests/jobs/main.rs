//! One file per job of a user, named in the user's words.

mod first_night;
mod world;

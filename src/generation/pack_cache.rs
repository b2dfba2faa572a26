//! Packs that are open for reading at any position.

use super::{DecryptedPack, Generation, GenerationError, Result};
use crate::format::pack::Extent;
use std::collections::VecDeque;

/// Packs that are kept open while the entry stream is read: after many nights it is scattered over several.
const OPEN_PACKS: usize = 8;

/// A few open packs, the most recently used first.
pub struct PackCache<'g, 'a> {
    generation: &'g Generation<'a>,
    open: VecDeque<(u64, DecryptedPack)>,
}

impl<'g, 'a> PackCache<'g, 'a> {
    /// Opens packs of `generation` when they are needed.
    pub fn new(generation: &'g Generation<'a>) -> Self {
        Self { generation, open: VecDeque::new() }
    }

    /// Divides an extent by the frames in the pack's index, and calls `each` for the part in each frame.
    pub fn divide(&mut self, x: Extent, mut each: impl FnMut(Extent)) -> Result<()> {
        let (_, pack) = self.pack(x.object)?;
        let mut rest = x;
        while rest.length > 0 {
            let before = rest;
            pack.skip_frame(&mut rest);
            each(Extent { length: before.length - rest.length, ..before });
        }
        Ok(())
    }

    /// Reads the part of an extent that is in its first frame, calls `on_bytes` with it, and shortens the extent by it. After
    /// an error the extent is shortened by what could not be read.
    pub fn read_frame(&mut self, x: &mut Extent, mut on_bytes: impl FnMut(&[u8])) -> Result<()> {
        let (object, pack) = match self.pack(x.object) {
            Ok(pack) => pack,
            Err(e) => {
                x.length = 0;
                return Err(e);
            }
        };
        let mut rest = *x;
        match pack.read_frame(&mut rest) {
            Ok(bytes) => {
                on_bytes(bytes);
                *x = rest;
                Ok(())
            }
            Err(source) => {
                pack.skip_frame(x);
                Err(GenerationError::Unpack { object, source })
            }
        }
    }

    fn pack(&mut self, object: u64) -> Result<(u64, &mut DecryptedPack)> {
        let found = self.open.iter().position(|(open, _)| *open == object);
        let pack = match found.and_then(|i| self.open.remove(i)) {
            Some(pack) => pack,
            None => (object, self.generation.open_pack(object)?),
        };
        self.open.truncate(OPEN_PACKS - 1);
        self.open.push_front(pack);
        let Some((object, pack)) = self.open.front_mut() else { unreachable!("just put there") };
        Ok((*object, pack))
    }
}

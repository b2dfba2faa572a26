//! Packs that are read here and there.

use super::{DecryptedPack, Generation, GenerationError, Result};
use crate::format::pack::Extent;
use std::collections::VecDeque;

/// Packs that are kept open while the entry stream is read: after many nights it lies scattered over several.
const OPEN_PACKS: usize = 8;

/// A few open packs, the one used last in front.
pub struct PackCache<'g, 'a> {
    generation: &'g Generation<'a>,
    open: VecDeque<(u64, DecryptedPack)>,
}

impl<'g, 'a> PackCache<'g, 'a> {
    pub fn new(generation: &'g Generation<'a>) -> Self {
        Self { generation, open: VecDeque::new() }
    }

    /// The extent in parts, each in one frame, as far as the pack's index tells.
    pub fn divide(&mut self, x: Extent, mut each: impl FnMut(Extent)) -> Result<()> {
        let (_, pack) = self.pack(x.object)?;
        let mut rest = x;
        while rest.length > 0 {
            let before = rest;
            pack.skip_piece(&mut rest);
            each(Extent { length: before.length - rest.length, ..before });
        }
        Ok(())
    }

    /// Gives the extent's first bytes, as far as its first frame goes, to `take`, and shortens the extent by them. After an error it is
    /// shortened by what could not be read.
    pub fn read_piece(&mut self, x: &mut Extent, mut take: impl FnMut(&[u8])) -> Result<()> {
        let (object, pack) = match self.pack(x.object) {
            Ok(pack) => pack,
            Err(e) => {
                x.length = 0;
                return Err(e);
            }
        };
        let mut read = *x;
        match pack.read_piece(&mut read) {
            Ok(piece) => {
                take(piece);
                *x = read;
                Ok(())
            }
            Err(source) => {
                pack.skip_piece(x);
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

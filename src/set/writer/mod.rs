//! A set opened for writing. It is found on the medium, its part on the host is locked, and leftovers of interrupted
//! runs are sorted out.
//!
//! **Invariant:** opening changes nothing that lies on the medium. What the last run left is adopted if it is whole;
//! the next seal lists the rest as `void`. What is missing at the beginning of a medium that the set continues on is
//! added: its label, and copies of earlier seals.

mod error;
mod host_side;
mod leftovers;
mod log;
mod mounted;
mod next_medium;
mod opening;
mod sealing;

pub use error::WriteError;
pub use host_side::HostSide;
pub use log::{SetLog, free_behind, is_checkpoint_due};
pub use mounted::MountedMedium;
pub use next_medium::Closed;
pub use opening::{NewSet, Opened, WriteTarget, open, register};
pub use sealing::{SealFacts, Sealed};

use crate::format::object::Object;
use crate::format::pack::ChunkId;
use crate::host::catalog::{Catalog, Location, SetRow};
use crate::host::state::SetState;

type Result<T, E = WriteError> = std::result::Result<T, E>;

/// A set that this run may append to.
pub struct SetWriter {
    /// What this host keeps of the set.
    pub host: HostSide,
    /// The set's objects.
    pub log: SetLog,
    /// The medium that takes the next objects.
    pub mounted: MountedMedium,
}

impl SetWriter {
    /// The set as the host knows it, without a medium.
    fn without_medium(target: WriteTarget, state: SetState, catalog: Catalog, row: SetRow) -> Result<Self> {
        Ok(Self {
            host: HostSide::open(state, catalog, row)?,
            log: SetLog::default(),
            mounted: MountedMedium::none(target.root, target.block),
        })
    }

    /// Reads back a pack that was appended and is durable, and records it with its chunks. The next seal covers it.
    pub fn add_pack(&mut self, pack: Object, chunks: &mut [(ChunkId, Location)]) -> Result<()> {
        self.mounted.check(&pack)?;
        self.host.add_object(&pack, chunks)?;
        self.log.push(pack);
        Ok(())
    }
}

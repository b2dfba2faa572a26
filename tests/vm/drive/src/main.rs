//! A tape drive without hardware, and a changer if wanted: answers the SCSI commands that the Linux kernel hands to user space.
//!
//! ```text
//! drive CARTRIDGES CONTROL /dev/uioN [/dev/uioM SLOTS]
//! ```
//!
//! CARTRIDGES is the folder that cartridges are kept in. CONTROL is made: a FIFO that takes what an operator's hands do, one line each
//! (see `control.rs`). What became of each line is appended to `CONTROL.answers`. With a second device there is a changer of that many
//! slots.
//!
//! Below is the ring that the kernel puts commands into (`memory.rs`, `ring.rs`), one for each device; above it units that answer
//! commands and know nothing of where they come from (`scsi/`).

mod cartridge;
mod control;
mod library;
mod memory;
mod ring;
mod scsi;

use control::Control;
use library::Library;
use ring::Ring;
use rustix::event::{PollFd, PollFlags, poll};
use std::process::ExitCode;
use std::thread::sleep;
use std::{env, io};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments.as_slice() {
        [cartridges, fifo, drive] => serve(cartridges, fifo, drive, None),
        [cartridges, fifo, drive, changer, slots] => match slots.parse() {
            Ok(slots) => serve(cartridges, fifo, drive, Some((changer, slots))),
            Err(e) => Err(io::Error::other(format!("{slots} slots: {e}"))),
        },
        _ => {
            eprintln!("usage: drive CARTRIDGES CONTROL /dev/uioN [/dev/uioM SLOTS]");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("drive: {e}");
            ExitCode::FAILURE
        }
    }
}

/// Answers commands until something fails that no sense data can tell.
fn serve(cartridges: &str, fifo: &str, drive: &str, changer: Option<(&str, u16)>) -> io::Result<()> {
    let mut library = Library::new(cartridges.into(), changer.map(|(_, slots)| slots));
    let mut drive_ring = Ring::open(drive.as_ref())?;
    let mut changer_ring = changer.map(|(device, _)| Ring::open(device.as_ref())).transpose()?;
    let mut control = Control::create(fifo.as_ref())?;
    loop {
        // Whatever waits is done; what does not wait is not touched, for it would have to be waited for.
        let [drive_waits, line_waits, changer_waits] = {
            let mut all = vec![PollFd::new(&drive_ring, PollFlags::IN), PollFd::new(&control, PollFlags::IN)];
            all.extend(changer_ring.as_ref().map(|ring| PollFd::new(ring, PollFlags::IN)));
            poll(&mut all, None)?;
            [0, 1, 2].map(|i| all.get(i).is_some_and(|fd| !fd.revents().is_empty()))
        };
        if line_waits {
            control.obey(&mut library)?;
        }
        let Library { drive, changer, .. } = &mut library;
        if drive_waits {
            drive_ring.answer(|command, sent| {
                sleep(drive.mishaps.delay);
                drive.execute(command, sent)
            })?;
        }
        if changer_waits && let (Some(ring), Some(changer)) = (&mut changer_ring, changer) {
            ring.answer(|command, _| {
                sleep(changer.mishaps.delay);
                changer.execute(command, drive)
            })?;
        }
    }
}

//! A tape drive without hardware: answers the SCSI commands that the Linux kernel hands to user space.
//!
//! ```text
//! drive /dev/uioN CARTRIDGES CONTROL
//! ```
//!
//! CARTRIDGES is the folder that cartridges are kept in. CONTROL is made: a FIFO that takes what an operator's hands do, one line each
//! (see `control.rs`). What became of each line is appended to `CONTROL.answers`.
//!
//! Below is the ring that the kernel puts commands into (`memory.rs`, `ring.rs`); above it units that answer commands and know nothing
//! of where they come from (`scsi/`). The drive is one unit. A changer would be another, with a device and a ring of its own.

mod cartridge;
mod control;
mod library;
mod memory;
mod ring;
mod scsi;

use rustix::event::{PollFd, PollFlags, poll};
use std::process::ExitCode;
use std::thread::sleep;
use std::{env, io};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [device, cartridges, fifo] = arguments.as_slice() else {
        eprintln!("usage: drive /dev/uioN CARTRIDGES CONTROL");
        return ExitCode::from(2);
    };
    match serve(device, cartridges, fifo) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("drive: {e}");
            ExitCode::FAILURE
        }
    }
}

/// Answers commands until something fails that no sense data can tell.
fn serve(device: &str, cartridges: &str, fifo: &str) -> io::Result<()> {
    let mut ring = ring::Ring::open(device.as_ref())?;
    let mut control = control::Control::create(fifo.as_ref())?;
    let mut library = library::Library::new(cartridges.into());
    loop {
        let (command_waits, line_waits) = {
            let mut both = [PollFd::new(&ring, PollFlags::IN), PollFd::new(&control, PollFlags::IN)];
            poll(&mut both, None)?;
            (!both[0].revents().is_empty(), !both[1].revents().is_empty())
        };
        if line_waits {
            control.obey(&mut library)?;
        }
        if command_waits {
            let drive = &mut library.drive;
            ring.answer(|command, sent| {
                sleep(drive.mishaps.delay);
                drive.execute(command, sent)
            })?;
        }
    }
}

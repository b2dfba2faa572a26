//! A cartridge's own memory (MAM, medium auxiliary memory): the serial number that its maker has written there. Erasing
//! the tape does not change it, and a copy has another.
//!
//! Commands and attributes: SCSI Primary Commands (SPC-5), READ ATTRIBUTE; IBM LTO SCSI Reference, "Medium auxiliary
//! memory".

use super::sg::SgDevice;
use super::st;
use crate::medium::scsi::Scsi;
use rustix::fs::{major, minor};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

const READ_ATTRIBUTE: u8 = 0x8c;
const MEDIUM_SERIAL_NUMBER: u16 = 0x0401;
/// Answers are short; the serial number has 32 characters.
const ROOM: usize = 512;
const PATIENCE: Duration = Duration::from_secs(20);

/// No interruption is needed: no command here takes longer than [`PATIENCE`].
static NEVER: AtomicBool = AtomicBool::new(false);

/// The serial number of the cartridge in the drive at `path`; `None` if there is none, or this process may not read it.
pub fn serial(path: &Path) -> Option<String> {
    if !st::is_drive(path) {
        return None;
    }
    read_serial(&mut SgDevice::open(&generic_device(path)?, &NEVER).ok()?)
}

/// The path of the same drive for SCSI commands.
pub fn generic_device(path: &Path) -> Option<PathBuf> {
    let number = rustix::fs::stat(path).ok()?.st_rdev;
    let folder = format!("/sys/dev/char/{}:{}/device/scsi_generic", major(number), minor(number));
    let name = std::fs::read_dir(folder).ok()?.next()?.ok()?.file_name();
    Some(Path::new("/dev").join(name))
}

fn read_serial(device: &mut dyn Scsi) -> Option<String> {
    let [high, low] = MEDIUM_SERIAL_NUMBER.to_be_bytes();
    let room = (ROOM as u32).to_be_bytes();
    // Values, of volume 0 and partition 0, from this attribute on.
    let command = [READ_ATTRIBUTE, 0, 0, 0, 0, 0, 0, 0, high, low, room[0], room[1], room[2], room[3], 0, 0];
    let mut answer = [0; ROOM];
    let n = device.execute(&command, &mut answer, PATIENCE).ok()?;
    serial_in(answer.get(..n)?)
}

/// The first attribute of an answer, if it is the serial number: number, format, length, value.
fn serial_in(answer: &[u8]) -> Option<String> {
    let attribute = answer.get(4..)?;
    let (head, value) = attribute.split_at_checked(5)?;
    if head[..2] != MEDIUM_SERIAL_NUMBER.to_be_bytes() {
        return None;
    }
    let length = usize::from(u16::from_be_bytes([head[3], head[4]]));
    let text = std::str::from_utf8(value.get(..length)?).ok()?.trim_matches([' ', '\0']);
    let is_plain = !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic() || c == ' ');
    is_plain.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::medium::scsi::ScsiError;

    /// A cartridge's memory. As with a driver that fills only what it received, the rest of the buffer keeps older
    /// bytes.
    #[derive(Debug)]
    struct Memory {
        answer: Vec<u8>,
        stale: Vec<u8>,
        asked: Vec<Vec<u8>>,
    }

    impl Scsi for Memory {
        fn execute(&mut self, command: &[u8], into: &mut [u8], _: Duration) -> Result<usize, ScsiError> {
            self.asked.push(command.to_vec());
            into[..self.stale.len()].copy_from_slice(&self.stale);
            into[..self.answer.len()].copy_from_slice(&self.answer);
            Ok(self.answer.len())
        }

        fn pause(&mut self) -> bool {
            false
        }
    }

    fn answer(id: u16, length: u16, value: &[u8]) -> Vec<u8> {
        let attribute = [&id.to_be_bytes()[..], &[0x81], &length.to_be_bytes(), value].concat();
        [&(attribute.len() as u32).to_be_bytes()[..], &attribute].concat()
    }

    #[test]
    fn a_serial_number_is_read() {
        let padded = format!("{:<32}", "HA9AK00123");
        assert_eq!(serial_in(&answer(0x401, 32, padded.as_bytes())), Some("HA9AK00123".into()));
        assert_eq!(serial_in(&answer(0x401, 3, b"A 1")), Some("A 1".into()));
    }

    #[test]
    fn what_is_no_serial_number_is_not_taken_for_one() {
        let good = answer(0x401, 4, b"A123");
        for length in 0..good.len() {
            assert_eq!(serial_in(&good[..length]), None, "cut at {length}");
        }
        for bad in [
            answer(0x400, 4, b"A123"),
            answer(0x401, 5, b"A123"),
            answer(0x401, 4, b"    "),
            answer(0x401, 4, b"A\x1b[m"),
            answer(0x401, 2, b"\xff\xfe"),
        ] {
            assert_eq!(serial_in(&bad), None, "{bad:?}");
        }
    }

    /// A wrong request, or reading beyond the answer, would confuse one cartridge with another.
    #[test]
    fn the_drive_is_asked_for_the_serial_number_and_only_its_answer_is_read() {
        let good = answer(0x401, 4, b"A123");
        let mut memory = Memory { answer: good.clone(), stale: Vec::new(), asked: Vec::new() };
        assert_eq!(read_serial(&mut memory), Some("A123".into()));
        // SPC-5, READ ATTRIBUTE: values, from attribute 0401h on, room for 512 bytes.
        assert_eq!(memory.asked, [[0x8c, 0, 0, 0, 0, 0, 0, 0, 0x04, 0x01, 0, 0, 2, 0, 0, 0]]);
        let mut memory = Memory { answer: good[..8].to_vec(), stale: good, asked: Vec::new() };
        assert_eq!(read_serial(&mut memory), None);
    }
}

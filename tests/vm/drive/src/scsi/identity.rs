//! What a unit says it is: INQUIRY and its pages.

use super::{Command, Sense, text};

const VENDOR: &str = "AZEKURA";
const REVISION: &str = "0001";

pub struct Identity {
    /// 1 is a tape drive, 8 a changer.
    pub device_type: u8,
    pub product: &'static str,
    pub serial: &'static str,
    /// A name that is worldwide unique, in form at least.
    pub name: u64,
    /// Whether it reads the labels of cartridges.
    pub reads_barcodes: bool,
}

impl Identity {
    pub fn inquiry(&self, command: &Command) -> Result<Vec<u8>, Sense> {
        let wants_page = command.bit(1, 0);
        let bytes = match (wants_page, command.byte(2)) {
            (false, 0) => self.standard(),
            (true, 0x00) => self.page(0x00, &[0x00, 0x80, 0x83]),
            (true, 0x80) => self.page(0x80, self.serial.as_bytes()),
            (true, 0x83) => {
                let name = [&[0x01, 0x03, 0, 8], self.name.to_be_bytes().as_slice()].concat();
                self.page(0x83, &[self.designator(), name].concat())
            }
            _ => return Err(Sense::INVALID_FIELD_IN_COMMAND),
        };
        Ok(command.limited(bytes, 3, 2))
    }

    /// Vendor, product and serial number as one designator. A changer tells by it which drive is in which of its places.
    pub fn designator(&self) -> Vec<u8> {
        let name = [text(VENDOR, 8), text(self.product, 16), self.serial.as_bytes().to_vec()].concat();
        [vec![0x02, 0x01, 0, name.len() as u8], name].concat()
    }

    fn standard(&self) -> Vec<u8> {
        let mut bytes = vec![0; 96];
        // Removable medium; SPC-4; 91 bytes follow.
        bytes[..5].copy_from_slice(&[self.device_type, 0x80, 6, 2, 91]);
        bytes[8..16].copy_from_slice(&text(VENDOR, 8));
        bytes[16..32].copy_from_slice(&text(self.product, 16));
        bytes[32..36].copy_from_slice(REVISION.as_bytes());
        bytes[55] = self.reads_barcodes.into();
        bytes
    }

    fn page(&self, code: u8, content: &[u8]) -> Vec<u8> {
        [&[self.device_type, code], (content.len() as u16).to_be_bytes().as_slice(), content].concat()
    }
}

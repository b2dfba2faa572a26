//! Valid and invalid answers of changers.

use super::*;
use proptest::prelude::*;

/// A page of elements: type, flags, descriptors.
fn page(kind: u8, tags: u8, descriptors: &[Vec<u8>]) -> Vec<u8> {
    let bytes = descriptors.concat();
    let length = descriptors.first().map_or(0, Vec::len) as u16;
    [&[kind, tags], &length.to_be_bytes()[..], &(bytes.len() as u32).to_be_bytes(), &bytes].concat()
}

fn answer(pages: &[Vec<u8>]) -> Vec<u8> {
    let bytes = pages.concat();
    [&[0, 0, 0, 0], &(bytes.len() as u32).to_be_bytes()[..], &bytes].concat()
}

/// The descriptor of an element with a label.
fn element(address: u16, flags: u8, medium: u8, source: u16, label: &[u8]) -> Vec<u8> {
    let mut bytes = address.to_be_bytes().to_vec();
    bytes.extend([flags, 0, 0, 0, 0, 0, 0, medium]);
    bytes.extend(source.to_be_bytes());
    bytes.extend(label);
    bytes.resize(12 + 36 + 4, b' ');
    bytes[48..].fill(0);
    bytes
}

fn library() -> Vec<u8> {
    let slots =
        [element(1000, 9, 1, 0, b"AZK001L8"), element(1001, 8, 0x81, 7, b"AZK002L8"), element(1002, 9, 1, 0, b"CLN001CU")];
    let mut drive = element(256, 1, 0x81, 1001, b"AZK009L8");
    drive.truncate(48);
    drive.extend([2, 1, 0, 8]);
    drive.extend(b"X SERIAL");
    answer(&[page(2, 0x80, &slots), page(4, 0x80, &[drive])])
}

#[test]
fn a_library_is_understood() {
    let slots = decode_status(&library()).unwrap();
    let addresses: Vec<u16> = slots.iter().map(|s| s.address).collect();
    assert_eq!(addresses, [1000, 1001, 1002, 256]);
    assert_eq!(slots[0].barcode.as_deref(), Some("AZK001L8"));
    assert!(slots[0].full && slots[0].accessible && slots[0].is_for_data());
    assert!(!slots[1].full);
    assert_eq!((&slots[1].barcode, slots[1].source), (&None, None), "what an empty slot reports is that of an earlier cartridge");
    assert!(!slots[2].is_for_data(), "a cleaning cartridge, by its barcode");
    let drive = &slots[3];
    assert_eq!((drive.kind, drive.source, drive.accessible), (ElementKind::Drive, Some(1001), false));
    assert_eq!(drive.device.as_deref(), Some("X SERIAL"));
}

#[test]
fn a_cleaning_cartridge_without_a_label_is_known_by_its_type() {
    let slots = decode_status(&answer(&[page(2, 0x80, &[element(1, 9, 2, 0, b"")])])).unwrap();
    assert_eq!((slots[0].barcode.as_deref(), slots[0].is_for_data()), (None, false));
}

#[test]
fn elements_without_labels_and_with_alternate_ones() {
    let plain: Vec<u8> = element(5, 9, 0, 0, b"").into_iter().take(12).collect();
    let slots = decode_status(&answer(&[page(2, 0, &[plain])])).unwrap();
    assert_eq!((slots[0].address, slots[0].barcode.as_deref()), (5, None));
    let mut both = element(6, 9, 0, 0, b"FIRST");
    both.truncate(48);
    both.extend([b'S'; 36]);
    let slots = decode_status(&answer(&[page(2, 0xc0, &[both])])).unwrap();
    assert_eq!((slots[0].address, slots[0].barcode.as_deref()), (6, Some("FIRST")));
}

#[test]
fn an_invalid_label_is_left_out() {
    for label in [&[0xff; 32][..], &[0; 32], b"A\x1b[2J", "ラベル".as_bytes()] {
        let slots = decode_status(&answer(&[page(2, 0x80, &[element(1, 9, 1, 0, label)])])).unwrap();
        assert_eq!(slots[0].barcode, None);
    }
}

#[test]
fn an_element_that_is_cut_off_is_left_out() {
    let whole = library();
    let count = |length: usize| decode_status(&whole[..length]).map(|s| s.len());
    assert_eq!(count(whole.len() - 1), Ok(3));
    assert_eq!(count(16 + 52 + 51), Ok(1));
    assert_eq!(count(8), Ok(0));
    assert_eq!(count(7), Err(MalformedAnswer));
}

#[test]
fn descriptors_without_length_are_refused() {
    assert_eq!(decode_status(&answer(&[page(2, 0x80, &[vec![]])])), Err(MalformedAnswer));
    let unknown = page(9, 0, &[vec![0]]);
    let known = page(2, 0x80, &[element(1, 9, 1, 0, b"A")]);
    assert_eq!(decode_status(&answer(&[unknown, known])).unwrap().len(), 1, "a page of an unknown kind is skipped");
}

#[test]
fn addresses() {
    let page = [0x1d, 18, 0, 0, 0, 1, 3, 0xe8, 0, 8, 0, 10, 0, 1, 1, 0, 0, 2, 0, 0];
    for descriptors in [0_u8, 8] {
        let mut bytes = vec![0, 0, 0, descriptors];
        bytes.extend(vec![0x1d; descriptors.into()]);
        bytes.extend(page);
        let found = Addresses::decode(&bytes).unwrap();
        assert_eq!(found.storage, AddressRange { first: 1000, count: 8 });
        assert_eq!(found.drive, AddressRange { first: 256, count: 2 });
        assert_eq!((found.storage.index(1007), found.storage.index(1008), found.storage.index(999)), (Some(7), None, None));
        for length in 0..bytes.len() - 2 {
            assert_eq!(Addresses::decode(&bytes[..length]), Err(MalformedAnswer));
        }
    }
    assert_eq!(Addresses::decode(&[0, 0, 0, 0, 0x1f, 18]), Err(MalformedAnswer));
}

proptest! {
    #[test]
    fn no_bytes_cause_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = Addresses::decode(&bytes);
        if let Ok(slots) = decode_status(&bytes) {
            prop_assert!(slots.len() <= bytes.len() / DESCRIPTOR_BYTES);
        }
    }

    #[test]
    fn no_changed_answer_causes_a_panic_or_an_invalid_barcode(changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut bytes = library();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        for slot in decode_status(&bytes).unwrap_or_default() {
            let printable = slot.barcode.is_none_or(|b| !b.is_empty() && b.len() <= 32 && b.bytes().all(|c| (b' '..=b'~').contains(&c)));
            prop_assert!(printable);
        }
    }
}

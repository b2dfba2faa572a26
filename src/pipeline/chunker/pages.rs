//! Section 12, files of pages: a database or a disk image is rewritten in place, page by page, and nothing in it moves. With cuts at
//! fixed offsets less is stored again than with any cuts that depend on the content, and they cost nothing to find.

use super::ChunkClass;

/// Whether a file that begins with `head` ([`ChunkClass::HEAD`] bytes, or the whole file if it is shorter) is made of pages.
pub fn is_paged(head: &[u8]) -> bool {
    const MAGIC: [&[u8]; 5] = [
        b"SQLite format 3\0",
        b"QFI\xfb",  // QEMU copy on write
        b"KDMV",     // VMware disk
        b"vhdxfile", // Hyper-V disk
        b"conectix", // Virtual PC disk
    ];
    MAGIC.iter().any(|m| head.starts_with(m)) || is_postgresql_page(head)
}

/// PostgreSQL's page header (`PageHeaderData` in its `bufpage.h`): pages of 8 KiB, layout version 4, offsets in order.
fn is_postgresql_page(head: &[u8]) -> bool {
    let Some(header) = head.first_chunk::<24>() else { return false };
    let at = |i: usize| u16::from_le_bytes([header[i], header[i + 1]]);
    let (lower, upper, special) = (at(12), at(14), at(16));
    at(18) == 0x2004 && 24 <= lower && lower <= upper && upper <= special && special <= 8192
}

/// The length of the chunk at `offset` of a file of pages; it ends at the next multiple of the class's smallest length. `available`
/// bytes are in memory; with `last` no more follow. `None` if the chunk is not complete yet.
pub fn cut(class: ChunkClass, offset: u64, available: usize, last: bool) -> Option<usize> {
    let block = class.min();
    let room = block - (offset % block as u64) as usize;
    if available >= room { Some(room) } else { (last && available > 0).then_some(available) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn databases_and_disk_images_are_recognised_by_their_beginning() {
        for magic in [&b"SQLite format 3\0"[..], b"QFI\xfb", b"KDMV", b"vhdxfile", b"conectix"] {
            assert!(is_paged(magic) && is_paged(&[magic, b"more"].concat()));
            assert!(!is_paged(&magic[..magic.len() - 1]) && !is_paged(&[b"x", magic].concat()));
        }
        let page = |lower: u16, upper: u16, special: u16, version: u16| {
            let mut page = vec![0x11; 132];
            for (at, n) in [(12, lower), (14, upper), (16, special), (18, version)] {
                page[at..at + 2].copy_from_slice(&n.to_le_bytes());
            }
            page
        };
        assert!(is_paged(&page(24, 24, 24, 0x2004)) && is_paged(&page(268, 384, 8192, 0x2004)));
        for wrong in [(23, 384, 8192, 0x2004), (385, 384, 8192, 0x2004), (24, 8192, 8191, 0x2004), (24, 384, 8193, 0x2004)] {
            assert!(!is_paged(&page(wrong.0, wrong.1, wrong.2, wrong.3)), "{wrong:?}");
        }
        assert!(!is_paged(&page(268, 384, 8192, 0x2005)));
        assert!(!is_paged(&page(268, 384, 8192, 0x2004)[..23]) && !is_paged(b""));
    }

    #[test]
    fn cuts_are_at_multiples_of_the_smallest_length() {
        let block = 32 << 10;
        assert_eq!(cut(ChunkClass::Data, 0, block + 5, false), Some(block));
        assert_eq!(cut(ChunkClass::Data, 4096, block, false), Some(block - 4096));
        assert_eq!(cut(ChunkClass::Data, 3 * block as u64, block, false), Some(block));
        assert_eq!(cut(ChunkClass::Data, 0, block - 1, false), None, "more may follow");
        assert_eq!(cut(ChunkClass::Data, 0, block - 1, true), Some(block - 1));
        assert_eq!(cut(ChunkClass::Data, 0, 0, true), None);
        assert_eq!(cut(ChunkClass::Large, 1, 1 << 20, true), Some((128 << 10) - 1));
    }
}

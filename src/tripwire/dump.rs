//! Dumps of databases: by their names, and whether they are whole as far as their first and last bytes tell.

/// Names of files that a database was written to end like this.
const NAMES: [&[u8]; 6] = [b".sql", b".dump", b".dmp", b".pgdump", b".bak", b".bson"];
/// Ends of the names of compressed files.
const PACKED: [&[u8]; 5] = [b".gz", b".bz2", b".xz", b".zst", b".lz4"];
/// Last bytes of a dump that are kept: the last line, and what newer programs write behind it.
pub const TAIL_BYTES: usize = 512;
/// First bytes of a dump that say which program wrote it.
const TITLE_BYTES: usize = 512;
/// What a program writes first, and what it writes last if it came to its end.
const LINES: [(&[u8], &[u8]); 4] = [
    (b"-- PostgreSQL database dump\n", b"-- PostgreSQL database dump complete"),
    (b"-- PostgreSQL database cluster dump\n", b"-- PostgreSQL database cluster dump complete"),
    (b"-- MySQL dump ", b"-- Dump completed"),
    (b"-- MariaDB dump ", b"-- Dump completed"),
];

/// Whether a file is a dump by its name, compressed or not.
pub fn is_dump(path: &[u8]) -> bool {
    let path = path.to_ascii_lowercase();
    let path = PACKED.iter().find_map(|end| path.strip_suffix(*end)).unwrap_or(&path);
    NAMES.iter().any(|end| path.ends_with(end))
}

/// Whether a file is a compressed dump by its name: nothing in it is recognised the next night.
pub fn is_packed_dump(path: &[u8]) -> bool {
    let lower = path.to_ascii_lowercase();
    is_dump(path) && PACKED.iter().any(|end| lower.ends_with(end))
}

/// What a compressed file, or an archive of PostgreSQL, begins with.
const MAGIC: [(&str, &[u8]); 6] = [
    ("PGDMP", b"PGDMP"),
    ("gzip", b"\x1f\x8b"),
    ("bzip2", b"BZh"),
    ("xz", b"\xfd7zXZ"),
    ("zstd", b"\x28\xb5\x2f\xfd"),
    ("lz4", b"\x04\x22\x4d\x18"),
];

/// What kind of dump begins so; `None` if it is not known to be one.
pub fn kind_of_dump(head: &[u8]) -> Option<&'static str> {
    let title = &head[..head.len().min(TITLE_BYTES)];
    let of_text = LINES.iter().find(|(first, _)| contains(title, first)).and_then(|(first, _)| str::from_utf8(first).ok());
    of_text.map(str::trim_end).or_else(|| MAGIC.iter().find(|(_, magic)| head.starts_with(magic)).map(|(name, _)| *name))
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|w| w == part)
}

/// Whether content that begins so may be a dump whose last line is known.
pub fn may_have_last_line(head: &[u8]) -> bool {
    head.starts_with(b"--") || head.starts_with(b"/*")
}

/// Whether the last line is missing that the program which wrote the first ones writes in the end.
pub fn is_cut_off(head: &[u8], tail: &[u8]) -> bool {
    let title = &head[..head.len().min(TITLE_BYTES)];
    LINES.iter().any(|(first, last)| contains(title, first) && !contains(tail, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dumps_are_known_by_name() {
        for name in ["a/orca.sql", "ORCA.DMP", "x.dump.gz", "x.sql.zst", "db.bak"] {
            assert!(is_dump(name.as_bytes()), "{name}");
        }
        for name in ["a.sql/readme", "scan.pdf", "x.gz", "sql", "x.sqlite"] {
            assert!(!is_dump(name.as_bytes()), "{name}");
        }
        assert!(is_packed_dump(b"X.SQL.GZ") && !is_packed_dump(b"x.sql") && !is_packed_dump(b"log.gz"));
    }

    #[test]
    fn a_dump_without_its_last_line_is_cut_off() {
        let postgres: &[u8] = b"--\n-- PostgreSQL database dump\n--\n\n\\restrict k\n";
        assert!(is_cut_off(postgres, b"COPY public.tbl_ptinf FROM stdin;\n1\tAok"));
        assert!(!is_cut_off(postgres, b"--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict k\n"));
        let cluster: &[u8] = b"--\n-- PostgreSQL database cluster dump\n--\n";
        assert!(is_cut_off(cluster, b"--\n-- PostgreSQL database dump complete\n--\n"), "the last database of several");
        assert!(!is_cut_off(cluster, b"--\n-- PostgreSQL database cluster dump complete\n--\n"));
        let maria: &[u8] = b"/*M!999999\\- enable the sandbox mode */ \n-- MariaDB dump 10.19  Distrib 10.11\n";
        assert!(is_cut_off(maria, b"INSERT INTO `a` VALUES (1"));
        assert!(!is_cut_off(maria, b"-- Dump completed on 2026-11-29\n"));
        assert!(!is_cut_off(b"-- a note of somebody\n", b"") && !is_cut_off(b"", b""));
    }
}

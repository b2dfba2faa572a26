//! CBOR as a tree that can be bent: for hostile vectors, and for the annotated examples. Knows nothing of the crate.

use std::fmt::Write;

#[derive(Clone, PartialEq)]
pub enum Item {
    Uint(u64),
    /// -1 - n
    Negative(u64),
    Bytes(Vec<u8>),
    Text(String),
    Array(Vec<Item>),
    Map(Vec<(Item, Item)>),
    /// Bytes that stand for one item, right or wrong.
    Raw(Vec<u8>),
}

use Item::{Array, Bytes, Map, Negative, Raw, Text, Uint};

impl Item {
    pub fn parse(bytes: &[u8]) -> Self {
        let (item, rest) = Self::first(bytes);
        assert!(rest.is_empty(), "bytes left over");
        item
    }

    /// The first item of `bytes`, which are known to be good, and what follows it.
    pub fn first(bytes: &[u8]) -> (Self, &[u8]) {
        let (n, mut rest) = head(bytes);
        let mut many = |count: u64| -> Vec<Self> {
            let next = |_| {
                let (item, after) = Self::first(rest);
                rest = after;
                item
            };
            (0..count).map(next).collect()
        };
        let item = match bytes[0] >> 5 {
            0 => Uint(n),
            1 => Negative(n),
            4 => Array(many(n)),
            5 => {
                let flat = many(2 * n);
                Map(flat.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect())
            }
            7 => Raw(vec![bytes[0]]),
            major => {
                let (content, after) = rest.split_at(n as usize);
                rest = after;
                match major {
                    2 => Bytes(content.to_vec()),
                    _ => Text(String::from_utf8(content.to_vec()).expect("good text")),
                }
            }
        };
        (item, rest)
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode_to(&mut out);
        out
    }

    fn encode_to(&self, out: &mut Vec<u8>) {
        match self {
            Uint(n) => put_head(out, 0, *n),
            Negative(n) => put_head(out, 1, *n),
            Bytes(b) => {
                put_head(out, 2, b.len() as u64);
                out.extend(b);
            }
            Text(t) => {
                put_head(out, 3, t.len() as u64);
                out.extend(t.as_bytes());
            }
            Array(items) => {
                put_head(out, 4, items.len() as u64);
                items.iter().for_each(|i| i.encode_to(out));
            }
            Map(pairs) => {
                put_head(out, 5, pairs.len() as u64);
                pairs.iter().for_each(|(k, v)| [k, v].iter().for_each(|i| i.encode_to(out)));
            }
            Raw(bytes) => out.extend(bytes),
        }
    }

    fn pairs(&mut self) -> &mut Vec<(Item, Item)> {
        match self {
            Map(pairs) => pairs,
            _ => panic!("not a map"),
        }
    }

    /// The item behind a map's key, or at an array's index.
    pub fn at(&mut self, key: u64) -> &mut Item {
        match self {
            Array(items) => &mut items[key as usize],
            map => map.pairs().iter_mut().find(|(k, _)| *k == Uint(key)).map(|(_, v)| v).expect("the key is there"),
        }
    }

    /// A copy of this map without a key.
    pub fn without(&self, key: u64) -> Self {
        let mut copy = self.clone();
        copy.pairs().retain(|(k, _)| *k != Uint(key));
        copy
    }

    /// A copy of this map with another value behind a key, which is put where it belongs.
    pub fn with(&self, key: u64, value: Item) -> Self {
        let mut copy = self.without(key);
        let place = copy.pairs().iter().position(|(k, _)| matches!(k, Uint(n) if *n > key)).unwrap_or(copy.pairs().len());
        copy.pairs().insert(place, (Uint(key), value));
        copy
    }

    /// A copy with something changed deep inside.
    pub fn bent(&self, bend: impl FnOnce(&mut Item)) -> Self {
        let mut copy = self.clone();
        bend(&mut copy);
        copy
    }

    /// `hex    meaning` lines, one an item.
    pub fn annotated(&self) -> String {
        let mut out = String::new();
        self.annotate(0, "", "", &mut out);
        out
    }

    /// `key`: the hex of the key before this item, `before`: its meaning.
    fn annotate(&self, depth: usize, key: &str, before: &str, out: &mut String) {
        let line = |out: &mut String, hex: String, meaning: String| {
            annotated_line(out, &format!("{key}{hex}"), depth, &format!("{before}{meaning}"));
        };
        let mut start = Vec::new();
        match self {
            Array(items) => {
                put_head(&mut start, 4, items.len() as u64);
                line(out, hex(&start), format!("array of {}", items.len()));
                items.iter().for_each(|i| i.annotate(depth + 1, "", "", out));
            }
            Map(pairs) => {
                put_head(&mut start, 5, pairs.len() as u64);
                line(out, hex(&start), format!("map of {}", pairs.len()));
                for (k, v) in pairs {
                    // A key stands on the line of its value.
                    let Uint(n) = k else { panic!("keys are numbers") };
                    v.annotate(depth + 1, &hex(&k.encode()), &format!("{n}: "), out);
                }
            }
            Uint(n) => line(out, hex(&self.encode()), n.to_string()),
            Negative(n) => line(out, hex(&self.encode()), format!("-{}", n + 1)),
            Text(t) => line(out, hex(&self.encode()), format!("\"{t}\"")),
            Bytes(b) if (1..32).contains(&b.len()) && b.iter().all(|c| (b' '..=b'~').contains(c)) => {
                line(out, hex(&self.encode()), format!("bytes \"{}\"", String::from_utf8_lossy(b)));
            }
            Bytes(b) => line(out, hex(&self.encode()), format!("{} bytes", b.len())),
            Raw(b) => line(out, hex(b), if b == &[0xF5] { "true".into() } else { "false".into() }),
        }
    }
}

/// Hex in a column of 20 bytes, continued below; the meaning behind its first line.
pub fn annotated_line(out: &mut String, hex: &str, depth: usize, meaning: &str) {
    let mut rest = hex;
    let mut meaning = Some(meaning);
    while !rest.is_empty() {
        let (now, later) = rest.split_at(rest.len().min(48));
        rest = later;
        match meaning.take() {
            Some(m) => writeln!(out, "{now:<50}{:>1$}{m}", "", 2 * depth),
            None => writeln!(out, "{now}"),
        }
        .expect("a string");
    }
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, b| {
        write!(out, "{b:02x}").expect("a string");
        out
    })
}

fn head(bytes: &[u8]) -> (u64, &[u8]) {
    let size = match bytes[0] & 31 {
        n @ 0..=23 => return (n.into(), &bytes[1..]),
        n => 1 << (n - 24),
    };
    (bytes[1..=size].iter().fold(0, |n, b| n << 8 | u64::from(*b)), &bytes[1 + size..])
}

fn put_head(out: &mut Vec<u8>, major: u8, n: u64) {
    let bytes = n.to_be_bytes();
    let (info, size) = match n {
        0..24 => (n as u8, 0),
        24..=0xFF => (24, 1),
        0x100..=0xFFFF => (25, 2),
        0x1_0000..=0xFFFF_FFFF => (26, 4),
        _ => (27, 8),
    };
    out.push(major << 5 | info);
    out.extend(&bytes[8 - size..]);
}

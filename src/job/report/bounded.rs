//! What a result of a session may cost in memory: it was written by this program, or by whoever got hold of the folder.

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use std::fmt;
use std::io::{self, Read};
use std::marker::PhantomData;

/// The first items of a list, and how many more there are: they are read past, not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounded<T, const MOST: usize> {
    pub first: Vec<T>,
    pub more: u64,
}

impl<T, const MOST: usize> Bounded<T, MOST> {
    pub fn len(&self) -> u64 {
        self.first.len() as u64 + self.more
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T, const MOST: usize> Default for Bounded<T, MOST> {
    fn default() -> Self {
        Self { first: Vec::new(), more: 0 }
    }
}

impl<'de, T: Deserialize<'de>, const MOST: usize> Deserialize<'de> for Bounded<T, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Items<T, const MOST: usize>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>, const MOST: usize> Visitor<'de> for Items<T, MOST> {
            type Value = Bounded<T, MOST>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
                let mut list = Bounded::default();
                while list.first.len() < MOST {
                    match items.next_element()? {
                        Some(item) => list.first.push(item),
                        None => return Ok(list),
                    }
                }
                while items.next_element::<IgnoredAny>()?.is_some() {
                    list.more += 1;
                }
                Ok(list)
            }
        }
        deserializer.deserialize_seq(Items(PhantomData))
    }
}

/// A path has at most 4096 bytes, and each takes at most six in JSON.
const TEXT_BYTES: usize = 64 << 10;

/// Reads JSON, and ends with an error inside of a text that is longer than any that this program writes.
pub struct ShortTexts<R> {
    inner: R,
    in_text: bool,
    escaped: bool,
    length: usize,
}

impl<R> ShortTexts<R> {
    pub fn new(inner: R) -> Self {
        Self { inner, in_text: false, escaped: false, length: 0 }
    }

    pub fn into_inner(self) -> R {
        self.inner
    }

    fn see(&mut self, byte: u8) -> io::Result<()> {
        match (self.in_text, byte) {
            (false, b'"') => (self.in_text, self.escaped, self.length) = (true, false, 0),
            (false, _) => {}
            (true, _) if self.escaped => self.escaped = false,
            (true, b'\\') => self.escaped = true,
            (true, b'"') => self.in_text = false,
            (true, _) => {}
        }
        self.length += usize::from(self.in_text);
        if self.length > TEXT_BYTES { Err(io::ErrorKind::InvalidData.into()) } else { Ok(()) }
    }
}

impl<R: Read> Read for ShortTexts<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        for byte in &buffer[..n] {
            self.see(*byte)?;
        }
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_kept_up_to_its_bound_and_counted_to_its_end() {
        let list: Bounded<u64, 2> = serde_json::from_str("[1, 2, 3, 4, 5]").unwrap();
        assert_eq!((list.first, list.more), (vec![1, 2], 3));
        let list: Bounded<u64, 2> = serde_json::from_str("[1]").unwrap();
        assert_eq!((list.first, list.more), (vec![1], 0));
    }

    #[test]
    fn a_text_without_end_is_no_text() {
        let read = |text: String| serde_json::from_reader::<_, Vec<String>>(ShortTexts::new(text.as_bytes()));
        assert!(read(format!("[\"{}\"]", "x".repeat(4096))).is_ok());
        assert!(read(format!("[\"{}\", \"\\\"{}\"]", "x".repeat(4096), "x".repeat(1 << 20))).is_err());
    }
}

//! What a result of a session may cost in memory: it was written by this program, or by whoever got hold of the folder.

use crate::format::limit;
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

/// A text, of which no more than `MOST` bytes are kept: then it ends with `…`.
pub fn clip<'de, D: Deserializer<'de>, const MOST: usize>(deserializer: D) -> Result<String, D::Error> {
    struct Text<const MOST: usize>;
    impl<const MOST: usize> Visitor<'_> for Text<MOST> {
        type Value = String;

        fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
            f.write_str("a text")
        }

        fn visit_str<E>(self, text: &str) -> Result<String, E> {
            let end = (0..=MOST.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            Ok(if end < text.len() { format!("{}…", &text[..end]) } else { text.to_owned() })
        }
    }
    deserializer.deserialize_str(Text::<MOST>)
}

/// The same of a text that may be null or not there.
pub fn clip_optional<'de, D: Deserializer<'de>, const MOST: usize>(deserializer: D) -> Result<Option<String>, D::Error> {
    struct Optional<const MOST: usize>;
    impl<'de, const MOST: usize> Visitor<'de> for Optional<MOST> {
        type Value = Option<String>;

        fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
            f.write_str("a text or null")
        }

        fn visit_unit<E>(self) -> Result<Option<String>, E> {
            Ok(None)
        }

        fn visit_none<E>(self) -> Result<Option<String>, E> {
            Ok(None)
        }

        fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<String>, D::Error> {
            clip::<D, MOST>(deserializer).map(Some)
        }
    }
    deserializer.deserialize_option(Optional::<MOST>)
}

/// The longest path, each byte of which takes at most six in JSON. One text at a time is in memory whole.
const TEXT_BYTES: usize = 6 * limit::PATH_BYTES as usize;

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
    fn of_a_long_text_the_beginning_is_kept() {
        #[derive(Deserialize)]
        struct Long {
            #[serde(deserialize_with = "clip::<_, 4>")]
            text: String,
            #[serde(default, deserialize_with = "clip_optional::<_, 4>")]
            other: Option<String>,
        }
        let read = |json: &str| serde_json::from_str::<Long>(json).map(|l| (l.text, l.other)).unwrap();
        assert_eq!(read(r#"{"text": "abcd", "other": "abcde"}"#), ("abcd".into(), Some("abcd…".into())));
        assert_eq!(read(r#"{"text": "院長室", "other": null}"#), ("院…".into(), None));
        assert_eq!(read(r#"{"text": ""}"#), (String::new(), None));
    }

    #[test]
    fn a_text_without_end_is_no_text() {
        let read = |text: String| serde_json::from_reader::<_, Vec<String>>(ShortTexts::new(text.as_bytes()));
        assert!(read(format!("[\"{}\"]", "x".repeat(4096))).is_ok());
        assert!(read(format!("[\"{}\", \"\\\"{}\"]", "x".repeat(4096), "x".repeat(TEXT_BYTES))).is_err());
    }
}

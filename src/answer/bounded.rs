//! Texts and lists that take bounded memory when they are read: an answer was written by this program, or by whoever
//! has access to the folder that it lies in.

use crate::format::limit;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read};
use std::marker::PhantomData;

/// A text that people or programs read. Reading keeps the first 8,192 bytes.
pub type Text = Clipped<8192>;
/// A short text: a time, a code, a name of ours. Reading keeps the first 512 bytes.
pub type Word = Clipped<512>;

/// A text. Reading keeps no more than `MOST` bytes of it: then it ends with `…`. Writing writes all.
#[derive(Debug, Clone, Default, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Clipped<const MOST: usize>(String);

impl<const MOST: usize> Clipped<MOST> {
    /// Whatever can be shown, as text.
    pub fn of(value: impl fmt::Display) -> Self {
        Self(value.to_string())
    }
}

impl<const MOST: usize> std::ops::Deref for Clipped<MOST> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<const MOST: usize> From<String> for Clipped<MOST> {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl<const MOST: usize> From<&str> for Clipped<MOST> {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl<const MOST: usize> AsRef<std::path::Path> for Clipped<MOST> {
    fn as_ref(&self) -> &std::path::Path {
        self.0.as_ref()
    }
}

impl<const MOST: usize, const OTHER: usize> PartialEq<Clipped<OTHER>> for Clipped<MOST> {
    fn eq(&self, other: &Clipped<OTHER>) -> bool {
        self.0 == other.0
    }
}

impl<const MOST: usize> PartialEq<str> for Clipped<MOST> {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl<const MOST: usize> PartialEq<&str> for Clipped<MOST> {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

impl<const MOST: usize> fmt::Display for Clipped<MOST> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl<'de, const MOST: usize> Deserialize<'de> for Clipped<MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Beginning<const MOST: usize>;
        impl<const MOST: usize> Visitor<'_> for Beginning<MOST> {
            type Value = Clipped<MOST>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                let end = (0..=MOST.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
                Ok(Clipped(if end < text.len() { format!("{}…", &text[..end]) } else { text.to_owned() }))
            }
        }
        deserializer.deserialize_str(Beginning::<MOST>)
    }
}

impl<const MOST: usize> JsonSchema for Clipped<MOST> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "string".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

/// A list. Reading keeps its first `MOST` items and counts the others. Writing writes all that are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List<T, const MOST: usize> {
    /// The items that are kept.
    pub first: Vec<T>,
    /// Items behind the first ones that were read and not kept.
    pub more: u64,
}

impl<T, const MOST: usize> List<T, MOST> {
    /// Items that the list had, kept or not.
    pub fn len(&self) -> u64 {
        self.first.len() as u64 + self.more
    }

    /// Whether the list had no item.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T, const MOST: usize> Default for List<T, MOST> {
    fn default() -> Self {
        Self { first: Vec::new(), more: 0 }
    }
}

impl<T, const MOST: usize> FromIterator<T> for List<T, MOST> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        Self { first: items.into_iter().collect(), more: 0 }
    }
}

impl<T, const MOST: usize> From<Vec<T>> for List<T, MOST> {
    fn from(first: Vec<T>) -> Self {
        Self { first, more: 0 }
    }
}

impl<T: Serialize, const MOST: usize> Serialize for List<T, MOST> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.first.serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>, const MOST: usize> Deserialize<'de> for List<T, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Items<T, const MOST: usize>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>, const MOST: usize> Visitor<'de> for Items<T, MOST> {
            type Value = List<T, MOST>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
                let mut list = List::default();
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

impl<T: JsonSchema, const MOST: usize> JsonSchema for List<T, MOST> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("list of {}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Vec::<T>::json_schema(generator)
    }
}

/// Counts by name. Reading keeps the first 64.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct NamedCounts(pub BTreeMap<String, u64>);

impl NamedCounts {
    /// A count; 0 where there is none of that name.
    pub fn of(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }
}

impl<'de> Deserialize<'de> for NamedCounts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = NamedCounts;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("counts by name")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<NamedCounts, A::Error> {
                let mut counts = BTreeMap::new();
                while let Some((name, count)) = pairs.next_entry::<Word, u64>()? {
                    if counts.len() < 64 {
                        counts.insert(name.0, count);
                    }
                }
                Ok(NamedCounts(counts))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

/// A text or null. Reading takes a number for a text, too, and anything else for null.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Loose(pub Option<String>);

impl<'de> Deserialize<'de> for Loose {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Loose;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("anything")
            }

            fn visit_str<E>(self, text: &str) -> Result<Loose, E> {
                Ok(Loose(Some(text.chars().take(200).collect())))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Loose, E> {
                Ok(Loose(Some(number.to_string())))
            }

            fn visit_i64<E>(self, _: i64) -> Result<Loose, E> {
                Ok(Loose(None))
            }

            fn visit_f64<E>(self, _: f64) -> Result<Loose, E> {
                Ok(Loose(None))
            }

            fn visit_bool<E>(self, _: bool) -> Result<Loose, E> {
                Ok(Loose(None))
            }

            fn visit_unit<E>(self) -> Result<Loose, E> {
                Ok(Loose(None))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Loose, A::Error> {
                while items.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Loose(None))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut items: A) -> Result<Loose, A::Error> {
                while items.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Loose(None))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// The longest path, each byte of which takes at most six in JSON. One text at a time is in memory whole.
const TEXT_BYTES: usize = 6 * limit::PATH_BYTES as usize;

/// Reads JSON, and ends with an error inside of a text that is longer than any that this program writes.
pub(crate) struct ShortTexts<R> {
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
        let list: List<u64, 2> = serde_json::from_str("[1, 2, 3, 4, 5]").unwrap();
        assert_eq!((list.first, list.more), (vec![1, 2], 3));
        let list: List<u64, 2> = serde_json::from_str("[1]").unwrap();
        assert_eq!((list.first, list.more), (vec![1], 0));
    }

    #[test]
    fn of_a_long_text_the_beginning_is_kept() {
        #[derive(Deserialize)]
        struct Long {
            text: Clipped<4>,
            other: Option<Clipped<4>>,
        }
        let read = |json: &str| {
            serde_json::from_str::<Long>(json).map(|l| (l.text.to_string(), l.other.map(|o| o.to_string()))).unwrap()
        };
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

    #[test]
    fn counts_are_kept_up_to_their_bound() {
        let many: BTreeMap<String, u64> = (0..100).map(|n| (format!("{n:03}"), n)).collect();
        let read: NamedCounts = serde_json::from_str(&serde_json::to_string(&many).unwrap()).unwrap();
        assert_eq!((read.0.len(), read.of("063"), read.of("064")), (64, 63, 0));
    }

    #[test]
    fn of_a_loose_text_the_beginning_is_kept() {
        let read = |json: &str| serde_json::from_str::<Loose>(json).unwrap().0;
        assert_eq!(read(&format!("\"{}\"", "院".repeat(300))), Some("院".repeat(200)));
        assert_eq!((read("7"), read("[7, {}]"), read("null")), (Some("7".into()), None, None));
    }

    #[test]
    fn everything_that_is_kept_is_written() {
        let list: List<u64, 2> = [1, 2, 3].into_iter().collect();
        assert_eq!(serde_json::to_string(&list).unwrap(), "[1,2,3]");
        assert_eq!(serde_json::to_string(&Clipped::<2>::of("院長室")).unwrap(), "\"院長室\"");
    }
}

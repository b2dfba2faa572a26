//! The members of an answer in the order in which its type declares them. A schema has them in the order of the
//! alphabet.
//!
//! `serde` passes the names of a struct's members to whatever it is read from. So a type is read from a source that has
//! nothing but one path of members, and notes what the struct at the end of that path asks for.

use serde::de::value::{Error, StrDeserializer};
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;
use std::cell::Cell;
use std::collections::BTreeMap;

type Names = &'static [&'static str];

/// The names of the members of each struct in an answer, by the path that leads to it: lists and null are no steps.
pub struct Order(BTreeMap<Vec<&'static str>, Names>);

impl Order {
    /// The order of a type and of all types in it.
    pub fn of<T: DeserializeOwned>() -> Self {
        let mut order = BTreeMap::new();
        let mut open: Vec<Vec<&'static str>> = vec![Vec::new()];
        while let Some(path) = open.pop() {
            let found = Cell::new(None);
            // It always fails: there is nothing to read.
            let _ = T::deserialize(Probe { path: &path, found: &found });
            if let Some(names) = found.get() {
                open.extend(names.iter().map(|name| [&path[..], &[*name]].concat()));
                order.insert(path, names);
            }
        }
        Self(order)
    }

    /// The place of a member among the others of its struct.
    pub fn place(&self, path: &[&str], name: &str) -> usize {
        let names = self.0.iter().find(|(p, _)| p[..] == *path).map_or(&[][..], |(_, names)| names);
        names.iter().position(|n| *n == name).unwrap_or(names.len())
    }
}

/// A source that has one path of members.
#[derive(Clone, Copy)]
struct Probe<'a> {
    path: &'a [&'static str],
    found: &'a Cell<Option<Names>>,
}

fn nothing<T>() -> Result<T, Error> {
    Err(serde::de::Error::custom("nothing to read"))
}

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        nothing()
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(self, _: &'static str, names: Names, visitor: V) -> Result<V::Value, Error> {
        if self.path.is_empty() {
            self.found.set(Some(names));
            return nothing();
        }
        visitor.visit_map(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct tuple tuple_struct map enum
        identifier ignored_any
    }
}

impl<'de> SeqAccess<'de> for Probe<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        seed.deserialize(*self).map(Some)
    }
}

impl<'de> MapAccess<'de> for Probe<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some(name) = self.path.first() else { return Ok(None) };
        let name: StrDeserializer<Error> = (*name).into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        seed.deserialize(Probe { path: self.path.get(1..).unwrap_or_default(), found: self.found })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::generations::Generations;

    #[test]
    fn members_are_in_the_order_of_their_declaration() {
        let order = Order::of::<Generations>();
        let of_set = ["set", "set_name", "created", "quarantine", "generations", "faults"];
        let places: Vec<usize> = of_set.iter().map(|name| order.place(&["sets"], name)).collect();
        assert_eq!(places, [0, 1, 2, 3, 4, 5]);
        assert_eq!(order.place(&["sets", "generations", "details", "media"], "bytes"), 1);
    }
}

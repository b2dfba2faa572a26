//! Section 1: the subset of CBOR that the format uses, over `minicbor`.

use super::{Malformed, limit};
use minicbor::data::Type;
use minicbor::{Decoder, Encoder};
use std::convert::Infallible;

/// A point in time: seconds since 1970-01-01 UTC (negative before) and nanoseconds in `0..1_000_000_000`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time {
    /// Since 1970-01-01 UTC; negative before.
    pub seconds: i64,
    /// `0..1_000_000_000`, added to `seconds` also where these are negative.
    pub nanoseconds: u32,
}

impl Time {
    /// Nanoseconds since 1970.
    pub fn as_nanoseconds(self) -> i128 {
        i128::from(self.seconds) * 1_000_000_000 + i128::from(self.nanoseconds)
    }

    /// Nanoseconds since 1970 in 64 bits: exact from 1678 to 2262, the nearest possible value otherwise.
    pub fn as_nanoseconds_64(self) -> i64 {
        self.as_nanoseconds().clamp(i64::MIN.into(), i64::MAX.into()) as i64
    }
}

/// Appends CBOR to a buffer in memory. Nothing can fail, so every call returns the writer for the next one.
pub(crate) struct CborWriter<'a>(Encoder<&'a mut Vec<u8>>);

/// The encoder's only error is its writer's, and a `Vec` has none.
fn written<T>(result: Result<T, minicbor::encode::Error<Infallible>>) {
    if result.is_err() {
        unreachable!("encoding to memory does not fail");
    }
}

impl<'a> CborWriter<'a> {
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        Self(Encoder::new(out))
    }

    /// Begins an array of `n` items.
    pub fn array(&mut self, n: u64) -> &mut Self {
        written(self.0.array(n));
        self
    }

    /// Begins a map of `n` pairs.
    pub fn map(&mut self, n: u64) -> &mut Self {
        written(self.0.map(n));
        self
    }

    pub fn u8(&mut self, n: u8) -> &mut Self {
        written(self.0.u8(n));
        self
    }

    pub fn u32(&mut self, n: u32) -> &mut Self {
        written(self.0.u32(n));
        self
    }

    pub fn u64(&mut self, n: u64) -> &mut Self {
        written(self.0.u64(n));
        self
    }

    pub fn bool(&mut self, b: bool) -> &mut Self {
        written(self.0.bool(b));
        self
    }

    pub fn bytes(&mut self, b: &[u8]) -> &mut Self {
        written(self.0.bytes(b));
        self
    }

    pub fn str(&mut self, s: &str) -> &mut Self {
        written(self.0.str(s));
        self
    }

    pub fn time(&mut self, t: Time) -> &mut Self {
        written(self.0.array(2).and_then(|e| e.i64(t.seconds)).and_then(|e| e.u32(t.nanoseconds)));
        self
    }
}

/// Decodes CBOR. Its errors name `what` is decoded.
pub(crate) struct CborReader<'b> {
    decoder: Decoder<'b>,
    what: &'static str,
}

impl<'b> CborReader<'b> {
    pub fn new(bytes: &'b [u8], what: &'static str) -> Self {
        Self { decoder: Decoder::new(bytes), what }
    }

    pub fn wrong(&self, why: impl Into<String>) -> Malformed {
        Malformed::new(self.what, why)
    }

    fn decoded<T>(&self, result: Result<T, minicbor::decode::Error>) -> Result<T, Malformed> {
        result.map_err(|e| self.wrong(e.to_string()))
    }

    /// Bytes decoded so far.
    pub fn position(&self) -> usize {
        self.decoder.position()
    }

    /// Begins an array and returns the number of its items.
    pub fn array(&mut self) -> Result<u64, Malformed> {
        let n = self.decoder.array();
        self.decoded(n)?.ok_or_else(|| self.wrong("indefinite array"))
    }

    /// An array of exactly `n` items.
    pub fn tuple(&mut self, n: u64) -> Result<(), Malformed> {
        match self.array()? {
            k if k == n => Ok(()),
            k => Err(self.wrong(format!("array of {k} items where {n} belong"))),
        }
    }

    /// Begins a map and returns the number of its pairs.
    pub fn map(&mut self) -> Result<u64, Malformed> {
        let n = self.decoder.map();
        self.decoded(n)?.ok_or_else(|| self.wrong("indefinite map"))
    }

    /// The next key of a map; keys ascend strictly.
    pub fn key(&mut self, last: &mut Option<u64>) -> Result<u64, Malformed> {
        let key = self.uint()?;
        if last.is_some_and(|l| key <= l) {
            return Err(self.wrong(format!("key {key} out of order")));
        }
        *last = Some(key);
        Ok(key)
    }

    pub fn uint(&mut self) -> Result<u64, Malformed> {
        let n = self.decoder.u64();
        self.decoded(n)
    }

    /// An integer in `0 ..= limit::COUNT`.
    pub fn count(&mut self) -> Result<u64, Malformed> {
        let n = self.uint()?;
        Malformed::limit(self.what, n, limit::COUNT)?;
        Ok(n)
    }

    pub fn u32(&mut self) -> Result<u32, Malformed> {
        let n = self.decoder.u32();
        self.decoded(n)
    }

    pub fn bool(&mut self) -> Result<bool, Malformed> {
        let b = self.decoder.bool();
        self.decoded(b)
    }

    pub fn bytes(&mut self) -> Result<&'b [u8], Malformed> {
        let b = self.decoder.bytes();
        self.decoded(b)
    }

    /// A byte string of exactly `N` bytes.
    pub fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let b = self.bytes()?;
        b.try_into().map_err(|_| self.wrong(format!("{} bytes where {N} belong", b.len())))
    }

    pub fn str(&mut self) -> Result<&'b str, Malformed> {
        let text = self.decoder.str();
        self.decoded(text)
    }

    pub fn text(&mut self) -> Result<String, Malformed> {
        self.str().map(str::to_owned)
    }

    pub fn time(&mut self) -> Result<Time, Malformed> {
        self.tuple(2)?;
        let seconds = self.decoder.i64();
        let (seconds, nanoseconds) = (self.decoded(seconds)?, self.u32()?);
        if nanoseconds >= 1_000_000_000 {
            return Err(self.wrong("nanoseconds out of range"));
        }
        Ok(Time { seconds, nanoseconds })
    }

    /// The capacity to reserve for `n` announced items of at least `least` bytes each: no more than the remaining bytes
    /// can contain.
    pub fn capacity(&self, n: u64, least: usize) -> usize {
        (n.min(usize::MAX as u64) as usize).min(self.remaining() / least)
    }

    /// The bytes decoded since `position`.
    pub fn since(&self, position: usize) -> &'b [u8] {
        self.decoder.input().get(position..self.position()).unwrap_or_default()
    }

    fn remaining(&self) -> usize {
        self.decoder.input().len() - self.decoder.position()
    }

    /// Skips the value of a map's key that is not known; `depth` as in [`Self::skip`]. Fails if the key is critical: what it
    /// says may change what everything else in the map means.
    pub fn skip_unknown(&mut self, key: u64, depth: u32) -> Result<(), Malformed> {
        if key <= limit::LAST_CRITICAL_KEY {
            return Err(self.unknown(format!("it has the key {key}")));
        }
        self.skip(depth)
    }

    /// The error for something that a later version may have defined.
    pub fn unknown(&self, why: impl Into<String>) -> Malformed {
        Malformed::Unknown { what: self.what, why: why.into() }
    }

    /// An item that nobody depends on: must be CBOR that the format allows, and is the default if `read` cannot make
    /// anything of it. `depth` as in [`Self::skip`].
    pub fn lenient<T: Default>(
        &mut self,
        depth: u32,
        read: impl FnOnce(&mut Self) -> Result<T, Malformed>,
    ) -> Result<T, Malformed> {
        let start = self.position();
        self.skip(depth)?;
        Ok(read(&mut Self::new(self.since(start), self.what)).unwrap_or_default())
    }

    /// Whether the next item is an array of known length.
    pub fn is_array(&self) -> bool {
        matches!(self.decoder.datatype(), Ok(Type::Array))
    }

    /// Skips one item of any type that the format allows; `depth`: how many arrays and maps enclose it.
    pub fn skip(&mut self, depth: u32) -> Result<(), Malformed> {
        let datatype = self.decoder.datatype();
        match self.decoded(datatype)? {
            Type::Array | Type::Map if depth >= limit::NESTED => return Err(self.wrong("nested too deeply")),
            Type::Array => {
                for _ in 0..self.array()? {
                    self.skip(depth + 1)?;
                }
            }
            Type::Map => {
                let mut last = None;
                for _ in 0..self.map()? {
                    self.key(&mut last)?;
                    self.skip(depth + 1)?;
                }
            }
            Type::String => {
                self.str()?;
            }
            Type::Bool
            | Type::U8
            | Type::U16
            | Type::U32
            | Type::U64
            | Type::I8
            | Type::I16
            | Type::I32
            | Type::I64
            | Type::Int
            | Type::Bytes => {
                let skipped = self.decoder.skip();
                self.decoded(skipped)?;
            }
            other => return Err(self.wrong(format!("{other} has no place here"))),
        }
        Ok(())
    }

    /// Fails if bytes follow.
    pub fn end(&self) -> Result<(), Malformed> {
        match self.remaining() {
            0 => Ok(()),
            n => Err(self.wrong(format!("{n} bytes left over"))),
        }
    }
}

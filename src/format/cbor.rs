//! Section 1: the subset of CBOR that the format uses, over `minicbor`.

use super::{Malformed, limit};
use minicbor::data::Type;
pub use minicbor::{Decoder, Encoder};

/// A point in time: seconds since 1970-01-01 UTC (negative before) and nanoseconds in `0..1_000_000_000`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time {
    pub seconds: i64,
    pub nanoseconds: u32,
}

impl Time {
    /// Nanoseconds since 1970.
    pub fn as_nanoseconds(self) -> i128 {
        i128::from(self.seconds) * 1_000_000_000 + i128::from(self.nanoseconds)
    }

    /// The same in 64 bits, for the years 1678 to 2262; beyond them the nearest.
    pub fn as_nanoseconds_64(self) -> i64 {
        self.as_nanoseconds().clamp(i64::MIN.into(), i64::MAX.into()) as i64
    }
}

pub(crate) fn fault(what: &'static str) -> impl Fn(minicbor::decode::Error) -> Malformed {
    move |e| Malformed::new(what, e.to_string())
}

/// The encoder's only error is its writer's, and a `Vec` has none.
pub(crate) trait Sure<T> {
    fn sure(self) -> T;
}

impl<T> Sure<T> for Result<T, minicbor::encode::Error<std::convert::Infallible>> {
    fn sure(self) -> T {
        match self {
            Ok(t) => t,
            Err(_) => unreachable!("encoding to memory does not fail"),
        }
    }
}

pub(crate) type Writer<'a> = Encoder<&'a mut Vec<u8>>;

pub(crate) fn write_time(e: &mut Writer, t: Time) {
    e.array(2).sure().i64(t.seconds).sure().u32(t.nanoseconds).sure();
}

pub(crate) fn write_extents(e: &mut Writer, extents: &[super::pack::Extent]) {
    e.array(extents.len() as u64).sure();
    for x in extents {
        e.array(4).sure().u64(x.object).sure().u32(x.frame).sure().u32(x.offset).sure().u64(x.length).sure();
    }
}

/// A decoder that remembers what it decodes, for its errors.
pub(crate) struct Reader<'b> {
    pub d: Decoder<'b>,
    pub what: &'static str,
}

impl<'b> Reader<'b> {
    pub fn new(bytes: &'b [u8], what: &'static str) -> Self {
        Self { d: Decoder::new(bytes), what }
    }

    pub fn wrong(&self, why: impl Into<String>) -> Malformed {
        Malformed::new(self.what, why)
    }

    pub fn array(&mut self) -> Result<u64, Malformed> {
        self.d.array().map_err(fault(self.what))?.ok_or_else(|| self.wrong("indefinite array"))
    }

    /// An array of exactly `n` items.
    pub fn tuple(&mut self, n: u64) -> Result<(), Malformed> {
        match self.array()? {
            k if k == n => Ok(()),
            k => Err(self.wrong(format!("array of {k} items where {n} belong"))),
        }
    }

    pub fn map(&mut self) -> Result<u64, Malformed> {
        self.d.map().map_err(fault(self.what))?.ok_or_else(|| self.wrong("indefinite map"))
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
        self.d.u64().map_err(fault(self.what))
    }

    /// An integer in `0 ..= limit::COUNT`.
    pub fn count(&mut self) -> Result<u64, Malformed> {
        let n = self.uint()?;
        Malformed::limit(self.what, n, limit::COUNT)?;
        Ok(n)
    }

    pub fn u32(&mut self) -> Result<u32, Malformed> {
        self.d.u32().map_err(fault(self.what))
    }

    pub fn bool(&mut self) -> Result<bool, Malformed> {
        self.d.bool().map_err(fault(self.what))
    }

    pub fn bytes(&mut self) -> Result<&'b [u8], Malformed> {
        self.d.bytes().map_err(fault(self.what))
    }

    pub fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let b = self.bytes()?;
        b.try_into().map_err(|_| self.wrong(format!("{} bytes where {N} belong", b.len())))
    }

    pub fn text(&mut self) -> Result<String, Malformed> {
        self.d.str().map(str::to_owned).map_err(fault(self.what))
    }

    pub fn time(&mut self) -> Result<Time, Malformed> {
        self.tuple(2)?;
        let seconds = self.d.i64().map_err(fault(self.what))?;
        let nanoseconds = self.u32()?;
        if nanoseconds >= 1_000_000_000 {
            return Err(self.wrong("nanoseconds out of range"));
        }
        Ok(Time { seconds, nanoseconds })
    }

    pub fn extents(&mut self) -> Result<Vec<super::pack::Extent>, Malformed> {
        let n = self.array()?;
        let mut out = Vec::with_capacity(self.room(n, 5));
        for _ in 0..n {
            self.tuple(4)?;
            let x = super::pack::Extent { object: self.uint()?, frame: self.u32()?, offset: self.u32()?, length: self.count()? };
            Malformed::limit("object number", x.object, limit::OBJECT_NUMBER)?;
            Malformed::limit("offset in a frame", x.offset.into(), limit::FRAME_CONTENT_BYTES)?;
            if x.length == 0 {
                return Err(self.wrong("empty extent"));
            }
            out.push(x);
        }
        Ok(out)
    }

    /// How many of `n` announced items can really follow when each takes at least `least` bytes: what may be reserved.
    pub fn room(&self, n: u64, least: usize) -> usize {
        let left = self.d.input().len() - self.d.position();
        (n.min(usize::MAX as u64) as usize).min(left / least)
    }

    /// Steps over one item of any kind that the format allows; `around`: how many arrays and maps lie around it.
    pub fn skip(&mut self, around: u32) -> Result<(), Malformed> {
        match self.d.datatype().map_err(fault(self.what))? {
            Type::Array | Type::Map if around >= limit::NESTED => return Err(self.wrong("nested too deeply")),
            Type::Array => {
                for _ in 0..self.array()? {
                    self.skip(around + 1)?;
                }
            }
            Type::Map => {
                let mut last = None;
                for _ in 0..self.map()? {
                    self.key(&mut last)?;
                    self.skip(around + 1)?;
                }
            }
            Type::String => self.d.str().map(drop).map_err(fault(self.what))?,
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
            | Type::Bytes => self.d.skip().map_err(fault(self.what))?,
            other => return Err(self.wrong(format!("{other} has no place here"))),
        }
        Ok(())
    }

    pub fn end(&self) -> Result<(), Malformed> {
        match self.d.input().len() - self.d.position() {
            0 => Ok(()),
            n => Err(self.wrong(format!("{n} bytes left over"))),
        }
    }
}

//! Edwards25519 as RFC 8032 describes it, in plain sight: slow, not in constant time, and without a line of the library
//! that verifies seals.

use sha2::{Digest, Sha512};
use std::cmp::Ordering;
use std::sync::OnceLock;

/// Below 2²⁵⁶, least significant word first.
pub type Number = [u64; 4];

/// The order of the field, 2²⁵⁵ − 19.
pub const P: Number = [0xFFFF_FFFF_FFFF_FFED, u64::MAX, u64::MAX, 0x7FFF_FFFF_FFFF_FFFF];
/// The order of the base point.
pub const L: Number = [0x5812_631A_5CF5_D3ED, 0x14DE_F9DE_A2F7_9CD6, 0, 0x1000_0000_0000_0000];
pub const ZERO: Number = [0; 4];

pub fn number(bytes: &[u8; 32]) -> Number {
    std::array::from_fn(|i| u64::from_le_bytes(std::array::from_fn(|j| bytes[8 * i + j])))
}

pub fn bytes(n: &Number) -> [u8; 32] {
    std::array::from_fn(|i| n[i / 8].to_le_bytes()[i % 8])
}

pub fn is_below(a: &Number, b: &Number) -> bool {
    a.iter().rev().cmp(b.iter().rev()) == Ordering::Less
}

/// The sum, and whether it reached 2²⁵⁶.
pub fn plus(a: &Number, b: &Number) -> (Number, bool) {
    let mut carry = 0;
    let sum = std::array::from_fn(|i| {
        let word = u128::from(a[i]) + u128::from(b[i]) + carry;
        carry = word >> 64;
        word as u64
    });
    (sum, carry != 0)
}

/// The difference, modulo 2²⁵⁶.
fn minus(a: &Number, b: &Number) -> Number {
    let mut borrow = false;
    std::array::from_fn(|i| {
        let (word, first) = a[i].overflowing_sub(b[i]);
        let (word, second) = word.overflowing_sub(u64::from(borrow));
        borrow = first | second;
        word
    })
}

fn product(a: &Number, b: &Number) -> [u64; 8] {
    let mut out = [0; 8];
    for i in 0..4 {
        let mut carry = 0;
        for j in 0..4 {
            let word = u128::from(a[i]) * u128::from(b[j]) + u128::from(out[i + j]) + carry;
            (out[i + j], carry) = (word as u64, word >> 64);
        }
        out[i + 4] = carry as u64;
    }
    out
}

/// The remainder modulo L, bit by bit.
pub fn modulo_l(wide: &[u64; 8]) -> Number {
    let mut rest = ZERO;
    for bit in (0..512).rev() {
        rest = plus(&rest, &rest).0;
        rest[0] |= wide[bit / 64] >> (bit % 64) & 1;
        if !is_below(&rest, &L) {
            rest = minus(&rest, &L);
        }
    }
    rest
}

/// `a · b + c` modulo L.
pub fn muladd(a: &Number, b: &Number, c: &Number) -> Number {
    let product = modulo_l(&product(a, b));
    let (sum, _) = plus(&product, c);
    if is_below(&sum, &L) { sum } else { minus(&sum, &L) }
}

/// The hash of R, A and the message, and its remainder modulo L: k.
pub fn challenge(r: &[u8], a: &[u8], message: &[u8]) -> ([u8; 64], Number) {
    let hash: [u8; 64] = Sha512::new().chain_update(r).chain_update(a).chain_update(message).finalize().into();
    (hash, modulo_l(&wide(&hash)))
}

pub fn wide(bytes: &[u8; 64]) -> [u64; 8] {
    std::array::from_fn(|i| u64::from_le_bytes(std::array::from_fn(|j| bytes[8 * i + j])))
}

/// An element of the field, below P.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Field(Number);

impl Field {
    const ONE: Self = Self([1, 0, 0, 0]);

    fn of(mut n: Number) -> Self {
        while !is_below(&n, &P) {
            n = minus(&n, &P);
        }
        Self(n)
    }

    fn small(n: u64) -> Self {
        Self([n, 0, 0, 0])
    }

    fn add(self, other: Self) -> Self {
        // Both are below 2²⁵⁵.
        Self::of(plus(&self.0, &other.0).0)
    }

    fn neg(self) -> Self {
        Self::of(minus(&P, &self.0))
    }

    fn sub(self, other: Self) -> Self {
        self.add(other.neg())
    }

    fn mul(self, other: Self) -> Self {
        // 2²⁵⁶ is 38 modulo P.
        let wide = product(&self.0, &other.0);
        let mut carry = 0;
        let mut low: Number = std::array::from_fn(|i| {
            let word = u128::from(wide[i]) + 38 * u128::from(wide[i + 4]) + carry;
            carry = word >> 64;
            word as u64
        });
        while carry != 0 {
            let (sum, over) = plus(&low, &[38 * carry as u64, 0, 0, 0]);
            (low, carry) = (sum, u128::from(over));
        }
        Self::of(low)
    }

    fn pow(self, exponent: &Number) -> Self {
        let mut out = Self::ONE;
        for bit in (0..256).rev() {
            out = out.mul(out);
            if exponent[bit / 64] >> (bit % 64) & 1 == 1 {
                out = out.mul(self);
            }
        }
        out
    }

    fn invert(self) -> Self {
        self.pow(&minus(&P, &[2, 0, 0, 0]))
    }

    fn is_odd(self) -> bool {
        self.0[0] & 1 == 1
    }

    /// A square root: a power, times a root of −1 if that is needed.
    fn root(self) -> Option<Self> {
        // (P + 3) / 8 = 2²⁵² − 2 and (P − 1) / 4 = 2²⁵³ − 5
        let root = self.pow(&[u64::MAX - 1, u64::MAX, u64::MAX, (1 << 60) - 1]);
        let of_minus_one = Self::small(2).pow(&[u64::MAX - 4, u64::MAX, u64::MAX, (1 << 61) - 1]);
        [root, root.mul(of_minus_one)].into_iter().find(|r| r.mul(*r) == self)
    }
}

/// A point, as x = X/Z, y = Y/Z, xy = T/Z.
#[derive(Clone, Copy)]
pub struct Point {
    x: Field,
    y: Field,
    z: Field,
    t: Field,
}

impl Point {
    pub const NEUTRAL: Self = Self { x: Field(ZERO), y: Field::ONE, z: Field::ONE, t: Field(ZERO) };

    /// The curve's constant, −121665/121666.
    fn d() -> Field {
        static D: OnceLock<Field> = OnceLock::new();
        *D.get_or_init(|| Field::small(121_665).neg().mul(Field::small(121_666).invert()))
    }

    /// The point with y = 4/5 and an even x.
    pub fn base() -> Self {
        let y = Field::small(4).mul(Field::small(5).invert());
        Self::decode(&bytes(&y.0)).expect("it is on the curve")
    }

    /// Leniently: y may be P or more, and x may be 0 with the sign bit set.
    pub fn decode(encoded: &[u8; 32]) -> Option<Self> {
        let mut y = number(encoded);
        let sign = y[3] >> 63 == 1;
        y[3] &= u64::MAX >> 1;
        let y = Field::of(y);
        let square = y.mul(y);
        let x = square.sub(Field::ONE).mul(Self::d().mul(square).add(Field::ONE).invert()).root()?;
        let x = if x.is_odd() == sign { x } else { x.neg() };
        Some(Self { x, y, z: Field::ONE, t: x.mul(y) })
    }

    pub fn encode(&self) -> [u8; 32] {
        let z = self.z.invert();
        let mut out = bytes(&self.y.mul(z).0);
        out[31] |= u8::from(self.x.mul(z).is_odd()) << 7;
        out
    }

    /// RFC 8032, section 5.1.4.
    pub fn add(&self, other: &Self) -> Self {
        let a = self.y.sub(self.x).mul(other.y.sub(other.x));
        let b = self.y.add(self.x).mul(other.y.add(other.x));
        let c = self.t.mul(Field::small(2)).mul(Self::d()).mul(other.t);
        let d = self.z.mul(Field::small(2)).mul(other.z);
        let (e, f, g, h) = (b.sub(a), d.sub(c), d.add(c), b.add(a));
        Self { x: e.mul(f), y: g.mul(h), z: f.mul(g), t: e.mul(h) }
    }

    pub fn neg(&self) -> Self {
        Self { x: self.x.neg(), t: self.t.neg(), ..*self }
    }

    pub fn times(&self, n: &Number) -> Self {
        let mut out = Self::NEUTRAL;
        for bit in (0..256).rev() {
            out = out.add(&out);
            if n[bit / 64] >> (bit % 64) & 1 == 1 {
                out = out.add(self);
            }
        }
        out
    }

    /// 8 times the point is the neutral element.
    pub fn is_of_small_order(&self) -> bool {
        self.times(&[8, 0, 0, 0]).encode() == Self::NEUTRAL.encode()
    }
}

/// The rule of section 7, word by word: why a signature is refused.
pub fn verify(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> Result<(), &'static str> {
    let (r_bytes, s_bytes) = signature.split_at(32);
    let (r_bytes, s): ([u8; 32], [u8; 32]) = (r_bytes.try_into().expect("32"), s_bytes.try_into().expect("32"));
    let s = number(&s);
    let a = Point::decode(key).ok_or("A is not on the curve")?;
    if a.encode() != *key {
        return Err("A is not canonical");
    }
    if a.is_of_small_order() {
        return Err("A is of small order");
    }
    let r = Point::decode(&r_bytes).ok_or("R is not on the curve")?;
    if r.encode() != r_bytes {
        return Err("R is not canonical");
    }
    if r.is_of_small_order() {
        return Err("R is of small order");
    }
    if !is_below(&s, &L) {
        return Err("S is not below L");
    }
    let (_, k) = challenge(&r_bytes, key, message);
    let expected = Point::base().times(&s).add(&a.times(&k).neg());
    if expected.encode() == r_bytes { Ok(()) } else { Err("the equation does not hold") }
}

/// The equation alone, times the cofactor, with points in any encoding: what lenient verifiers check.
pub fn holds_with_the_cofactor(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    let (r_bytes, s) = signature.split_at(32);
    let s = number(s.try_into().expect("32"));
    let points = (Point::decode(key), Point::decode(r_bytes.try_into().expect("32")));
    let (Some(a), Some(r)) = points else { return false };
    let (_, k) = challenge(r_bytes, key, message);
    Point::base().times(&s).add(&a.times(&k).add(&r).neg()).is_of_small_order()
}

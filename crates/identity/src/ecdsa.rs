//! ECDSA curves and signatures: DER form and the low-S rule.

use crate::asn1::{self, Asn1Error};

/// The curves that Fabric's keys may lie on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Curve {
    P224,
    P256,
    P384,
    P521,
}

const P224_ORDER: [u8; 28] = order("ffffffffffffffffffffffffffff16a2e0b8f03e13dd29455c5c2a3d");
const P256_ORDER: [u8; 32] = order("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
const P384_ORDER: [u8; 48] =
    order("ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973");
const P521_ORDER: [u8; 66] = order(
    "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409",
);
const P224_HALF: [u8; 28] = half(P224_ORDER);
const P256_HALF: [u8; 32] = half(P256_ORDER);
const P384_HALF: [u8; 48] = half(P384_ORDER);
const P521_HALF: [u8; 66] = half(P521_ORDER);

impl Curve {
    fn order(self) -> &'static [u8] {
        match self {
            Curve::P224 => &P224_ORDER,
            Curve::P256 => &P256_ORDER,
            Curve::P384 => &P384_ORDER,
            Curve::P521 => &P521_ORDER,
        }
    }

    /// The order halved, rounded down: the largest S that counts as low.
    fn half_order(self) -> &'static [u8] {
        match self {
            Curve::P224 => &P224_HALF,
            Curve::P256 => &P256_HALF,
            Curve::P384 => &P384_HALF,
            Curve::P521 => &P521_HALF,
        }
    }
}

/// What is wrong with a signature's form. Texts are Fabric's (`bccsp/utils/ecdsa.go`, `bccsp/sw/ecdsa.go`).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureFormError {
    /// Not `SEQUENCE { INTEGER, INTEGER }`.
    #[error("failed unmashalling signature [{0}]")]
    Asn1(#[from] Asn1Error),
    /// R is zero or negative.
    #[error("invalid signature, R must be larger than zero")]
    RNotPositive,
    /// S is zero or negative.
    #[error("invalid signature, S must be larger than zero")]
    SNotPositive,
}

/// A signature's two numbers, big endian without leading zeros, both positive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signature<'a> {
    r: &'a [u8],
    s: &'a [u8],
}

impl<'a> Signature<'a> {
    /// Reads the DER form. As in Go, bytes behind the numbers and behind the sequence are ignored.
    pub(crate) fn parse(der: &'a [u8]) -> Result<Self, SignatureFormError> {
        let (sequence, _) = asn1::expect(asn1::SEQUENCE, der)?;
        let (r, rest) = asn1::integer(sequence.content)?;
        let (s, _) = asn1::integer(rest)?;
        let positive = |n: &'a [u8]| (n[0] & 0x80 == 0 && n != [0]).then(|| asn1::strip_zeros(n));
        Ok(Self {
            r: positive(r).ok_or(SignatureFormError::RNotPositive)?,
            s: positive(s).ok_or(SignatureFormError::SNotPositive)?,
        })
    }

    /// Whether S is at most half the order.
    pub(crate) fn is_low_s(&self, curve: Curve) -> bool {
        !greater(self.s, curve.half_order())
    }

    /// S and the largest low S, in decimal, as Fabric's refusal of a high S prints them.
    pub(crate) fn s_and_limit(&self, curve: Curve) -> (String, String) {
        (asn1::decimal(self.s), asn1::decimal(curve.half_order()))
    }

    /// The DER form.
    pub(crate) fn to_der(&self) -> Vec<u8> {
        encode(self.r, self.s)
    }

    /// The DER form, S replaced by order − S where it is high.
    pub(crate) fn to_low_s_der(&self, curve: Curve) -> Vec<u8> {
        if self.is_low_s(curve) || greater(self.s, curve.order()) {
            return self.to_der();
        }
        encode(self.r, &subtract(curve.order(), self.s))
    }
}

fn encode(r: &[u8], s: &[u8]) -> Vec<u8> {
    let mut numbers = Vec::with_capacity(r.len() + s.len() + 6);
    asn1::write_unsigned(r, &mut numbers);
    asn1::write_unsigned(s, &mut numbers);
    let mut der = Vec::with_capacity(numbers.len() + 3);
    asn1::write(asn1::SEQUENCE, &numbers, &mut der);
    der
}

/// Whether `a > b`; both without sign, `a` without leading zeros.
fn greater(a: &[u8], b: &[u8]) -> bool {
    let b = asn1::strip_zeros(b);
    (a.len(), a) > (b.len(), b)
}

/// `a − b` for `a ≥ b`.
fn subtract(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut difference = a.to_vec();
    let mut borrow = false;
    for (i, digit) in difference.iter_mut().rev().enumerate() {
        let other = b.len().checked_sub(i + 1).map_or(0, |at| b[at]);
        let (value, first) = digit.overflowing_sub(other);
        let (value, second) = value.overflowing_sub(u8::from(borrow));
        *digit = value;
        borrow = first || second;
    }
    difference
}

const fn order<const N: usize>(hex: &str) -> [u8; N] {
    const fn digit(c: u8) -> u8 {
        if c <= b'9' { c - b'0' } else { c - b'a' + 10 }
    }
    let hex = hex.as_bytes();
    assert!(hex.len() == 2 * N);
    let mut bytes = [0; N];
    let mut i = 0;
    while i < N {
        bytes[i] = digit(hex[2 * i]) << 4 | digit(hex[2 * i + 1]);
        i += 1;
    }
    bytes
}

const fn half<const N: usize>(number: [u8; N]) -> [u8; N] {
    let mut bytes = [0; N];
    let mut carry = 0;
    let mut i = 0;
    while i < N {
        bytes[i] = number[i] >> 1 | carry;
        carry = number[i] << 7;
        i += 1;
    }
    bytes
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_high_s_becomes_order_minus_s() {
        for curve in [Curve::P224, Curve::P256, Curve::P384, Curve::P521] {
            let half = asn1::strip_zeros(curve.half_order());
            let der = encode(&[5], half);
            let low = Signature::parse(&der).unwrap();
            assert!(low.is_low_s(curve));
            assert_eq!(low.to_low_s_der(curve), der);

            // The order is odd, so order − half is half + 1: the smallest high S.
            let high_der = encode(&[5], &subtract(curve.order(), half));
            let high = Signature::parse(&high_der).unwrap();
            assert!(!high.is_low_s(curve));
            assert_eq!(high.to_low_s_der(curve), der);
            assert_eq!(high.to_der(), high_der);
        }
    }

    #[test]
    fn an_s_beyond_the_order_stays() {
        let der = encode(&[5], &[0xff; 40]);
        assert_eq!(Signature::parse(&der).unwrap().to_low_s_der(Curve::P256), der);
    }
}

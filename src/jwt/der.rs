//! The few pieces of DER (ITU-T X.690) that private keys are wrapped in.

use zeroize::Zeroizing;

const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const BIT_STRING: u8 = 0x03;
const SEQUENCE: u8 = 0x30;
/// `[1]`, constructed: the public key in RFC 5915 §3.
const PUBLIC_KEY: u8 = 0xa1;

/// Bytes that are wiped when they are dropped.
pub(super) type Wiped = Zeroizing<Vec<u8>>;

/// The content of an `AlgorithmIdentifier` (RFC 5280 §4.1.1.2): RSA of any use.
pub(super) const RSA: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";
/// The same: RSA for RSASSA-PSS alone, whatever the digest (RFC 4055 §3.1).
pub(super) const RSA_PSS: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a";
/// The same: an elliptic curve key on P-256 (RFC 5480 §2.1.1).
pub(super) const P256: &[u8] =
    b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07";
/// The same: Ed25519 (RFC 8410 §3).
pub(super) const ED25519: &[u8] = b"\x06\x03\x2b\x65\x70";

/// What the key in a PKCS#8 document is for, as the content of its `AlgorithmIdentifier`, and the key
/// in its own form (RFC 5208 §5). `None` if it is no such document.
pub(super) fn parts(pkcs8: &[u8]) -> Option<(&[u8], &[u8])> {
    let (document, _) = value(SEQUENCE, pkcs8)?;
    let (_version, rest) = value(INTEGER, document)?;
    let (algorithm, rest) = value(SEQUENCE, rest)?;
    let (key, _) = value(OCTET_STRING, rest)?;
    Some((algorithm, key))
}

/// Whether an `ECPrivateKey` holds its public half (RFC 5915 §3).
pub(super) fn has_public_key(sec1: &[u8]) -> bool {
    let key = || {
        let (document, _) = value(SEQUENCE, sec1)?;
        let (_version, rest) = value(INTEGER, document)?;
        let (_key, rest) = value(OCTET_STRING, rest)?;
        let rest = value(0xa0, rest).map_or(rest, |(_curve, rest)| rest);
        value(PUBLIC_KEY, rest)
    };
    key().is_some()
}

/// The curve that an `ECPrivateKey` names (RFC 5915 §3), as the content of `parameters`. The outer
/// `None` stands for no such document, the inner for one that names no curve.
pub(super) fn curve(sec1: &[u8]) -> Option<Option<&[u8]>> {
    let (document, _) = value(SEQUENCE, sec1)?;
    let (_version, rest) = value(INTEGER, document)?;
    let (_key, rest) = value(OCTET_STRING, rest)?;
    Some(value(0xa0, rest).map(|(curve, _)| curve))
}

/// A PKCS#8 document of version 1 (RFC 5208 §5) around a key in its own form.
pub(super) fn pkcs8(algorithm: &[u8], key: &[u8]) -> Wiped {
    let parts = [
        element(INTEGER, &[0]),
        element(SEQUENCE, algorithm),
        element(OCTET_STRING, key),
    ];
    sequence(&parts)
}

/// An `ECPrivateKey` (RFC 5915 §3) with the public key, uncompressed.
pub(super) fn sec1(private: &[u8], public: &[u8]) -> Wiped {
    let mut bits = vec![0];
    bits.extend_from_slice(public);
    let parts = [
        element(INTEGER, &[1]),
        element(OCTET_STRING, private),
        element(PUBLIC_KEY, &element(BIT_STRING, &bits)),
    ];
    sequence(&parts)
}

/// The seed of an Ed25519 key as PKCS#8 holds it: a string within a string (RFC 8410 §7).
pub(super) fn seed(seed: &[u8]) -> Wiped {
    element(OCTET_STRING, seed)
}

/// An `RSAPrivateKey` of two primes (RFC 8017, Appendix A.1.2). The numbers are big-endian, in the
/// order of the document: n, e, d, p, q, dP, dQ, qInv.
pub(super) fn rsa(numbers: [&[u8]; 8]) -> Wiped {
    let parts: Vec<Wiped> = std::iter::once(element(INTEGER, &[0]))
        .chain(numbers.map(unsigned))
        .collect();
    sequence(&parts)
}

/// An integer that is not negative: in the fewest bytes, the first bit being 0.
fn unsigned(number: &[u8]) -> Wiped {
    let digits = number.iter().position(|byte| *byte != 0);
    let digits = digits.map_or(&[0][..], |first| &number[first..]);
    let mut content = Zeroizing::new(Vec::with_capacity(digits.len() + 1));
    if digits[0] & 0x80 != 0 {
        content.push(0);
    }
    content.extend_from_slice(digits);
    element(INTEGER, &content)
}

fn sequence(parts: &[Wiped]) -> Wiped {
    let size = parts.iter().map(|part| part.len()).sum();
    let mut content = Zeroizing::new(Vec::with_capacity(size));
    for part in parts {
        content.extend_from_slice(part);
    }
    element(SEQUENCE, &content)
}

fn element(tag: u8, content: &[u8]) -> Wiped {
    // Made in its full size: a vector that grows leaves what it held behind.
    let mut made = Zeroizing::new(Vec::with_capacity(content.len() + 6));
    made.push(tag);
    match content.len() {
        short @ 0..128 => made.push(short as u8),
        long => {
            let length = (long as u32).to_be_bytes();
            let length = &length[(long as u32).leading_zeros() as usize / 8..];
            made.push(0x80 | length.len() as u8);
            made.extend_from_slice(length);
        }
    }
    made.extend_from_slice(content);
    made
}

/// The content of the element with this tag at the start, and what follows it.
fn value(tag: u8, input: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&found, input) = input.split_first()?;
    let (&first, input) = input.split_first()?;
    let (length, input) = match first {
        short @ 0..0x80 => (usize::from(short), input),
        long => {
            let count = usize::from(long & 0x7f);
            if !(1..=4).contains(&count) {
                return None;
            }
            let (digits, rest) = input.split_at_checked(count)?;
            let length = digits
                .iter()
                .fold(0, |length, digit| (length << 8) | usize::from(*digit));
            (length, rest)
        }
    };
    if found != tag {
        return None;
    }
    input.split_at_checked(length)
}

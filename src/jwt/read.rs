//! Reads private keys in the forms that people have them in.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use serde::Deserialize;
use zeroize::{Zeroize, Zeroizing};

use super::der::{self, Wiped};
use super::{Algorithm, KeyError};
use crate::pem;

/// A key in the one form that all are brought into.
pub(super) struct Normal {
    pub(super) algorithm: Algorithm,
    pub(super) pkcs8: Wiped,
    /// Whether the key says that it is for this algorithm alone.
    pub(super) dedicated: bool,
    /// The name that a JWK gives its key.
    pub(super) kid: Option<String>,
}

/// Reads a JWK (RFC 7517), or else a text with a PEM section (RFC 7468).
pub(super) fn read(text: &[u8]) -> Result<Normal, KeyError> {
    match text.trim_ascii_start().first() {
        Some(b'{') => jwk(text),
        _ => pem(text),
    }
}

/// Which algorithm a PKCS#8 document's key is for.
pub(super) fn algorithm_of(pkcs8: &[u8]) -> Result<Algorithm, KeyError> {
    let (algorithm, _) = der::parts(pkcs8).ok_or(KeyError::Damaged)?;
    match algorithm {
        der::P256 => Ok(Algorithm::Es256),
        der::ED25519 => Ok(Algorithm::EdDsa),
        der::RSA => Ok(Algorithm::Rs256),
        _ => Err(KeyError::Kind),
    }
}

fn pem(text: &[u8]) -> Result<Normal, KeyError> {
    if pem::is_encrypted(text) {
        return Err(KeyError::Encrypted);
    }
    use rustls::pki_types::pem::Error;
    let mut key = match PrivateKeyDer::from_pem_slice(text) {
        Ok(key) => key,
        Err(Error::NoItemsFound) => return Err(KeyError::NoKey),
        Err(_) => return Err(KeyError::Damaged),
    };
    let normal = of_section(&key);
    key.zeroize();
    normal
}

fn of_section(key: &PrivateKeyDer<'_>) -> Result<Normal, KeyError> {
    let (algorithm, pkcs8) = match key {
        PrivateKeyDer::Pkcs8(key) => return of_pkcs8(key.secret_pkcs8_der()),
        PrivateKeyDer::Pkcs1(key) => {
            let pkcs8 = der::pkcs8(der::RSA, key.secret_pkcs1_der());
            (Algorithm::Rs256, pkcs8)
        }
        PrivateKeyDer::Sec1(key) => {
            let key = key.secret_sec1_der();
            let named = der::curve(key).ok_or(KeyError::Damaged)?;
            if named.is_some_and(|curve| !der::P256.ends_with(curve)) {
                return Err(KeyError::Kind);
            }
            if !der::has_public_key(key) {
                return Err(KeyError::NoPublicHalf);
            }
            (Algorithm::Es256, der::pkcs8(der::P256, key))
        }
        _ => return Err(KeyError::Kind),
    };
    Ok(Normal {
        algorithm,
        pkcs8,
        dedicated: false,
        kid: None,
    })
}

fn of_pkcs8(pkcs8: &[u8]) -> Result<Normal, KeyError> {
    let normal = |algorithm, pkcs8, dedicated| Normal {
        algorithm,
        pkcs8,
        dedicated,
        kid: None,
    };
    let (kind, key) = der::parts(pkcs8).ok_or(KeyError::Damaged)?;
    if kind == der::RSA_PSS {
        // ring takes RSA keys of any use only.
        return Ok(normal(Algorithm::Ps256, der::pkcs8(der::RSA, key), true));
    }
    let algorithm = algorithm_of(pkcs8)?;
    if algorithm == Algorithm::Es256 && der::curve(key).is_some() && !der::has_public_key(key) {
        return Err(KeyError::NoPublicHalf);
    }
    let pkcs8 = Zeroizing::new(pkcs8.to_vec());
    Ok(normal(algorithm, pkcs8, false))
}

/// Text that is wiped when it is dropped.
#[derive(Deserialize)]
#[serde(from = "String")]
struct Private(Zeroizing<String>);

impl From<String> for Private {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

/// RFC 7517 §4, RFC 7518 §6, RFC 8037 §2. Numbers are base64url.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    crv: Option<String>,
    kid: Option<String>,
    alg: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
    d: Option<Private>,
    p: Option<Private>,
    q: Option<Private>,
    dp: Option<Private>,
    dq: Option<Private>,
    qi: Option<Private>,
}

fn jwk(text: &[u8]) -> Result<Normal, KeyError> {
    let jwk: Jwk = serde_json::from_slice(text).map_err(|_| KeyError::Damaged)?;
    let algorithm = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
        ("EC", Some("P-256")) => Algorithm::Es256,
        ("OKP", Some("Ed25519")) => Algorithm::EdDsa,
        ("RSA", _) if jwk.alg.as_deref() == Some(Algorithm::Ps256.name()) => Algorithm::Ps256,
        ("RSA", _) => Algorithm::Rs256,
        _ => return Err(KeyError::Kind),
    };
    if jwk.d.is_none() {
        return Err(KeyError::OnlyPublic);
    }
    // RFC 7517 §4.4: the key is meant for this and nothing else. RFC 9864 calls EdDSA with this
    // curve `Ed25519`.
    let meant = jwk.alg.as_deref().is_none_or(|alg| {
        alg == algorithm.name() || (algorithm == Algorithm::EdDsa && alg == "Ed25519")
    });
    if !meant {
        return Err(KeyError::Kind);
    }
    let pkcs8 = match algorithm {
        Algorithm::Es256 => ec(&jwk)?,
        Algorithm::EdDsa => ed25519(&jwk)?,
        Algorithm::Rs256 | Algorithm::Ps256 => rsa(&jwk)?,
    };
    Ok(Normal {
        algorithm,
        pkcs8,
        dedicated: jwk.alg.is_some(),
        kid: jwk.kid,
    })
}

fn ec(jwk: &Jwk) -> Result<Wiped, KeyError> {
    let private = number(&jwk.d)?;
    let (x, y) = (public(&jwk.x)?, public(&jwk.y)?);
    // RFC 7518 §6.2.1.2: full length, leading zeros included.
    if [&x, &y, &private].iter().any(|part| part.len() != 32) {
        return Err(KeyError::Damaged);
    }
    let point = [&[4], x.as_slice(), y.as_slice()].concat();
    Ok(der::pkcs8(der::P256, &der::sec1(&private, &point)))
}

fn ed25519(jwk: &Jwk) -> Result<Wiped, KeyError> {
    let (seed, x) = (number(&jwk.d)?, public(&jwk.x)?);
    let consistent = ring::signature::Ed25519KeyPair::from_seed_and_public_key(&seed, &x);
    consistent.map_err(|_| KeyError::Damaged)?;
    Ok(der::pkcs8(der::ED25519, &der::seed(&seed)))
}

fn rsa(jwk: &Jwk) -> Result<Wiped, KeyError> {
    let (n, e) = (public(&jwk.n)?, public(&jwk.e)?);
    let private = [&jwk.d, &jwk.p, &jwk.q, &jwk.dp, &jwk.dq, &jwk.qi];
    let [d, p, q, dp, dq, qi] = private.map(number);
    let (d, p, q, dp, dq, qi) = (d?, p?, q?, dp?, dq?, qi?);
    let numbers = [&n, &e, &d, &p, &q, &dp, &dq, &qi];
    let key = der::rsa(numbers.map(|number| number.as_slice()));
    Ok(der::pkcs8(der::RSA, &key))
}

fn number(text: &Option<Private>) -> Result<Wiped, KeyError> {
    decode(text.as_ref().map(|text| text.0.as_str()))
}

fn public(text: &Option<String>) -> Result<Wiped, KeyError> {
    decode(text.as_deref())
}

fn decode(text: Option<&str>) -> Result<Wiped, KeyError> {
    let text = text.ok_or(KeyError::Damaged)?;
    // Some write the padding that RFC 7515 §2 leaves out.
    let read = URL_SAFE_NO_PAD.decode(text.trim_end_matches('='));
    read.map(Zeroizing::new).map_err(|_| KeyError::Damaged)
}

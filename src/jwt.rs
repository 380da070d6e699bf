//! Keys that sign JSON Web Tokens (RFC 7515, RFC 7519), and their public halves (RFC 7517).
//!
//! The only module that knows the crates jsonwebtoken and ring. Draws no time, and no randomness
//! except for new keys and within ring's signer. Who wants a token makes its claims.

mod der;
mod provider;
mod read;

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::EncodingKey;
use jsonwebtoken::jwk::{
    AlgorithmParameters, CommonParameters, EllipticCurve, EllipticCurveKeyParameters,
    EllipticCurveKeyType, Jwk, OctetKeyPairParameters, OctetKeyPairType, RSAKeyParameters,
    RSAKeyType, ThumbprintHash,
};
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::secret::Secret;
use provider::Pair;
use read::Normal;

/// How a token is signed (RFC 7518 §3.1, RFC 8037 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// EdDSA with Ed25519.
    EdDsa,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PSS with SHA-256.
    Ps256,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Es256, Self::EdDsa, Self::Rs256, Self::Ps256];

    /// The name in the registry of RFC 7518 §7.1.
    pub fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
        }
    }

    /// The algorithm of this name. Names are case-sensitive (RFC 7515 §4.1.1).
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.name() == name)
    }

    fn theirs(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::Es256 => jsonwebtoken::Algorithm::ES256,
            Self::EdDsa => jsonwebtoken::Algorithm::EdDSA,
            Self::Rs256 => jsonwebtoken::Algorithm::RS256,
            Self::Ps256 => jsonwebtoken::Algorithm::PS256,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a key cannot be used. Says nothing of what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// There is no private key in the text.
    NoKey,
    /// The key needs a passphrase.
    Encrypted,
    /// The JWK holds the public half only.
    OnlyPublic,
    /// The form is damaged, or the parts do not belong together.
    Damaged,
    /// The key is on a curve, and its public half is missing.
    NoPublicHalf,
    /// No algorithm of ours goes with a key of its kind.
    Kind,
    /// The key is for another algorithm than the one asked for.
    Algorithm {
        /// What was asked for.
        wanted: Algorithm,
        /// What the key is for.
        key: Algorithm,
    },
    /// The system gave no randomness, or ring refused.
    Signing,
}

impl KeyError {
    /// What the user does next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoKey => Some(
                "it must contain `-----BEGIN PRIVATE KEY-----`, or be a JWK with its private members".to_owned(),
            ),
            Self::Encrypted => Some(
                "nobody can be asked for its passphrase; decrypt it into a file that only you can read, as with `openssl pkey -in KEY -out FILE`".to_owned(),
            ),
            Self::OnlyPublic => Some("name the file with the private key".to_owned()),
            Self::Damaged => Some(
                "write it anew, as with `openssl pkey -in KEY -out FILE`; RSA keys have 2048 to 4096 bits".to_owned(),
            ),
            Self::NoPublicHalf => Some(
                "write it anew with both halves, as with `openssl ec -in KEY -out FILE`".to_owned(),
            ),
            Self::Kind => Some(
                "P-256 keys (ES256), Ed25519 keys (EdDSA) and RSA keys (RS256, PS256) can be used".to_owned(),
            ),
            Self::Algorithm { key, .. } => {
                Some(format!("name `{key}`, or leave the algorithm to the key"))
            }
            Self::Signing => None,
        }
    }
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoKey => f.write_str("it holds no private key"),
            Self::Encrypted => f.write_str("its private key is encrypted"),
            Self::OnlyPublic => f.write_str("it holds only the public half of a key"),
            Self::Damaged => f.write_str("its private key is damaged or incomplete"),
            Self::NoPublicHalf => f.write_str("its private key lacks its public half"),
            Self::Kind => f.write_str("its private key is of a kind that cannot be used"),
            Self::Algorithm { wanted, key } => {
                write!(f, "its private key is for `{key}`, not for `{wanted}`")
            }
            Self::Signing => f.write_str("the system gave no randomness to sign with"),
        }
    }
}

impl std::error::Error for KeyError {}

/// What the header of a token says besides the algorithm (RFC 7515 §4.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// `typ`: what kind of token it is, as `JWT` or `dpop+jwt`.
    pub typ: Option<&'static str>,
    /// `kid`: which of several keys signed it.
    pub kid: Option<String>,
    /// Whether the public key goes along, as `jwk`.
    pub jwk: bool,
}

/// A private key and what it signs with. Clones are cheap; `Debug` shows the public half's
/// thumbprint only, and the memory is wiped on drop.
#[derive(Clone)]
pub struct SigningKey(Arc<Inner>);

struct Inner {
    algorithm: Algorithm,
    /// Ready to sign.
    pair: Arc<Pair>,
    /// PKCS#8. Wiped by the crate.
    key: EncodingKey,
    public: Jwk,
    thumbprint: String,
    kid: Option<String>,
}

impl SigningKey {
    /// Reads the first private key of a text: PKCS#8, SEC 1 or PKCS#1 in PEM form (RFC 7468), or a
    /// JWK (RFC 7517). Keys on P-256, Ed25519 keys, and RSA keys of 2048 to 4096 bits are taken.
    /// `wanted` is the algorithm to sign with, where it is not left to the key.
    pub fn from_pem(text: &[u8], wanted: Option<Algorithm>) -> Result<Self, KeyError> {
        let mut key = read::read(text)?;
        match wanted {
            Some(wanted) if wanted == key.algorithm => {}
            // RSA keys go with both algorithms, unless they say for which they are.
            Some(Algorithm::Ps256) if key.algorithm == Algorithm::Rs256 && !key.dedicated => {
                key.algorithm = Algorithm::Ps256;
            }
            Some(wanted) => {
                return Err(KeyError::Algorithm {
                    wanted,
                    key: key.algorithm,
                });
            }
            None => {}
        }
        Self::new(key)
    }

    /// A new key on P-256.
    pub fn generate() -> Result<Self, KeyError> {
        let signing = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let made = EcdsaKeyPair::generate_pkcs8(signing, &SystemRandom::new());
        let made = made.map_err(|_| KeyError::Signing)?;
        Self::new(Normal {
            algorithm: Algorithm::Es256,
            pkcs8: Zeroizing::new(made.as_ref().to_vec()),
            dedicated: false,
            kid: None,
        })
    }

    /// The key as it is kept on disk: PKCS#8, base64url without padding.
    pub fn kept(&self) -> Secret {
        Secret::new(URL_SAFE_NO_PAD.encode(self.0.key.as_bytes()))
    }

    /// Reads what [`SigningKey::kept`] gave.
    pub fn from_kept(kept: &Secret) -> Result<Self, KeyError> {
        let pkcs8 = URL_SAFE_NO_PAD.decode(kept.expose());
        let pkcs8 = Zeroizing::new(pkcs8.map_err(|_| KeyError::Damaged)?);
        Self::new(Normal {
            algorithm: read::algorithm_of(&pkcs8)?,
            pkcs8,
            dedicated: false,
            kid: None,
        })
    }

    /// What it signs with.
    pub fn algorithm(&self) -> Algorithm {
        self.0.algorithm
    }

    /// The name that the JWK it was read from gave it.
    pub fn kid(&self) -> Option<&str> {
        self.0.kid.as_deref()
    }

    /// The public half as a JWK, with the members that RFC 7638 §3.2 counts and no others.
    pub fn public_jwk(&self) -> Value {
        // An object of strings: nothing in it can fail.
        serde_json::to_value(&self.0.public).unwrap_or_default()
    }

    /// The JWK thumbprint with SHA-256 (RFC 7638), base64url.
    pub fn thumbprint(&self) -> String {
        self.0.thumbprint.clone()
    }

    /// A token with these claims, in the compact form (RFC 7515 §3.1).
    pub fn sign(&self, header: Header, claims: &Value) -> Result<Secret, KeyError> {
        let header = jsonwebtoken::Header {
            typ: header.typ.map(str::to_owned),
            kid: header.kid,
            jwk: header.jwk.then(|| self.0.public.clone()),
            ..jsonwebtoken::Header::new(self.0.algorithm.theirs())
        };
        let sign = || jsonwebtoken::encode(&header, claims, &self.0.key);
        provider::signing_with(&self.0.pair, sign)
            .map(Secret::new)
            .map_err(|_| KeyError::Signing)
    }

    fn new(key: Normal) -> Result<Self, KeyError> {
        provider::install();
        let pair = Pair::read(key.algorithm, &key.pkcs8).ok_or(KeyError::Damaged)?;
        let public = Jwk {
            common: CommonParameters::default(),
            algorithm: public(&pair),
        };
        let thumbprint = public
            .thumbprint(ThumbprintHash::SHA256)
            .map_err(|_| KeyError::Kind)?;
        let encoding = match key.algorithm {
            Algorithm::Es256 => EncodingKey::from_ec_der(&key.pkcs8),
            Algorithm::EdDsa => EncodingKey::from_ed_der(&key.pkcs8),
            Algorithm::Rs256 | Algorithm::Ps256 => EncodingKey::from_rsa_der(&key.pkcs8),
        };
        Ok(Self(Arc::new(Inner {
            algorithm: key.algorithm,
            pair: Arc::new(pair),
            key: encoding,
            public,
            thumbprint,
            kid: key.kid,
        })))
    }
}

/// Two are equal if they are the same key and sign in the same way.
impl PartialEq for SigningKey {
    fn eq(&self, other: &Self) -> bool {
        let parts = |key: &Self| (key.0.algorithm, key.0.kid.clone());
        self.0.thumbprint == other.0.thumbprint && parts(self) == parts(other)
    }
}

impl Eq for SigningKey {}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("algorithm", &self.0.algorithm)
            .field("thumbprint", &self.0.thumbprint)
            .finish_non_exhaustive()
    }
}

fn public(pair: &Pair) -> AlgorithmParameters {
    let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    match pair {
        Pair::Ecdsa(pair) => {
            // SEC 1 §2.3.3: `4`, then both coordinates in full length.
            let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
            AlgorithmParameters::EllipticCurve(EllipticCurveKeyParameters {
                key_type: EllipticCurveKeyType::EC,
                curve: EllipticCurve::P256,
                x: text(x),
                y: text(y),
            })
        }
        Pair::Ed25519(pair) => AlgorithmParameters::OctetKeyPair(OctetKeyPairParameters {
            key_type: OctetKeyPairType::OctetKeyPair,
            curve: EllipticCurve::Ed25519,
            x: text(pair.public_key().as_ref()),
        }),
        Pair::Rsa(pair) => {
            let parts = PublicKeyComponents::<Vec<u8>>::from(pair.public());
            AlgorithmParameters::RSA(RSAKeyParameters {
                key_type: RSAKeyType::RSA,
                n: text(&parts.n),
                e: text(&parts.e),
            })
        }
    }
}

#[cfg(test)]
mod tests;

//! Lets the jsonwebtoken crate sign with ring, which TLS links already.

use std::cell::RefCell;
use std::sync::{Arc, Once};

use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind, new_error};
use jsonwebtoken::jwk::ThumbprintHash;
use jsonwebtoken::signature::{Error as SignatureError, Signer};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use ring::digest;
use ring::rand::SystemRandom;
use ring::rsa;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256,
    RSA_PSS_SHA256, RsaEncoding,
};

thread_local! {
    /// What signs on this thread now.
    static SIGNING: RefCell<Option<Arc<Pair>>> = const { RefCell::new(None) };
}

/// Makes ring the crate's provider. Every way to a [`super::SigningKey`] calls it.
pub(super) fn install() {
    static PROVIDER: CryptoProvider = CryptoProvider {
        signer_factory: signer,
        verifier_factory: |_: &Algorithm, _: &DecodingKey| {
            // The bridge reads nobody's tokens.
            Err(new_error(ErrorKind::UnsupportedAlgorithm))
        },
        key_utils: KeyUtils {
            compute_digest,
            ..KeyUtils::new_unimplemented()
        },
    };
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Nobody else in this process installs one.
        let _ = PROVIDER.install_default();
    });
}

/// Lets the crate sign with a key pair that was read before. It would have each signature's key read
/// anew, which takes as long as signing and, for RSA keys, longer.
pub(super) fn signing_with<T>(pair: &Arc<Pair>, sign: impl FnOnce() -> T) -> T {
    SIGNING.replace(Some(pair.clone()));
    let outcome = sign();
    SIGNING.take();
    outcome
}

/// The three kinds of key pair, ready to sign.
pub(super) enum Pair {
    /// P-256.
    Ecdsa(EcdsaKeyPair),
    /// Ed25519.
    Ed25519(Ed25519KeyPair),
    /// RSA, 2048 to 4096 bits. Large beside the others.
    Rsa(Box<rsa::KeyPair>),
}

impl Pair {
    /// Reads a PKCS#8 document. ring checks that the public half belongs to the private one.
    pub(super) fn read(algorithm: super::Algorithm, pkcs8: &[u8]) -> Option<Self> {
        match algorithm {
            super::Algorithm::Es256 => {
                let signing = &ECDSA_P256_SHA256_FIXED_SIGNING;
                let pair = EcdsaKeyPair::from_pkcs8(signing, pkcs8, &SystemRandom::new());
                pair.ok().map(Self::Ecdsa)
            }
            super::Algorithm::EdDsa => {
                // `openssl genpkey` writes no public half.
                let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8);
                pair.ok().map(Self::Ed25519)
            }
            super::Algorithm::Rs256 | super::Algorithm::Ps256 => {
                let pair = rsa::KeyPair::from_pkcs8(pkcs8);
                pair.ok().map(|pair| Self::Rsa(Box::new(pair)))
            }
        }
    }

    fn sign(
        &self,
        algorithm: Algorithm,
        message: &[u8],
    ) -> Result<Vec<u8>, ring::error::Unspecified> {
        match self {
            Self::Ecdsa(pair) => {
                let signature = pair.sign(&SystemRandom::new(), message)?;
                Ok(signature.as_ref().to_vec())
            }
            Self::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                let random = SystemRandom::new();
                let padding: &dyn RsaEncoding = match algorithm {
                    Algorithm::PS256 => &RSA_PSS_SHA256,
                    _ => &RSA_PKCS1_SHA256,
                };
                pair.sign(padding, &random, message, &mut signature)?;
                Ok(signature)
            }
        }
    }
}

struct RingSigner {
    algorithm: Algorithm,
    pair: Arc<Pair>,
}

impl Signer<Vec<u8>> for RingSigner {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, SignatureError> {
        self.pair
            .sign(self.algorithm, message)
            .map_err(|_| SignatureError::from_source("no randomness"))
    }
}

impl JwtSigner for RingSigner {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

fn signer(algorithm: &Algorithm, _: &EncodingKey) -> Result<Box<dyn JwtSigner>, Error> {
    let pair = SIGNING.take();
    let pair = pair.ok_or_else(|| new_error(ErrorKind::InvalidKeyFormat))?;
    Ok(Box::new(RingSigner {
        algorithm: *algorithm,
        pair,
    }))
}

fn compute_digest(data: &[u8], hash: ThumbprintHash) -> Result<Vec<u8>, Error> {
    match hash {
        ThumbprintHash::SHA256 => Ok(digest::digest(&digest::SHA256, data).as_ref().to_vec()),
        _ => Err(new_error(ErrorKind::UnsupportedAlgorithm)),
    }
}

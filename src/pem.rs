//! Certificates and keys in PEM form (RFC 7468), as users name them in files.

use std::fmt;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error as TlsError, RootCertStore};

/// What begins a section that holds an encrypted key (RFC 5958 §3, RFC 1421 §4.6.1.1).
const ENCRYPTED: [&str; 2] = ["BEGIN ENCRYPTED PRIVATE KEY", "Proc-Type: 4,ENCRYPTED"];

/// Why a file cannot be used. Says nothing of what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PemError {
    /// There is no certificate in it.
    NoCertificate,
    /// There is no private key in it.
    NoKey,
    /// The key needs a passphrase.
    EncryptedKey,
    /// The PEM form is damaged.
    Form,
    /// The certificate in this place, counted from 1, is damaged.
    Certificate(usize),
    /// The key is damaged, or of a kind that is not supported.
    Key,
    /// The key is not the certificate's.
    OtherKey,
}

impl PemError {
    /// What the user does next.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoCertificate => Some("it must contain `-----BEGIN CERTIFICATE-----`"),
            Self::NoKey => Some(
                "name the file that contains `-----BEGIN PRIVATE KEY-----` with `--client-key`",
            ),
            Self::EncryptedKey => Some(
                "nobody can be asked for its passphrase; decrypt it into a file that only you can read, as with `openssl pkey -in KEY -out FILE`",
            ),
            Self::Key => Some("RSA, ECDSA (P-256, P-384, P-521) and Ed25519 keys can be used"),
            Self::OtherKey => Some("the key's certificate must be the first in its file"),
            Self::Form | Self::Certificate(_) => None,
        }
    }
}

impl fmt::Display for PemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCertificate => f.write_str("it holds no certificate in PEM form"),
            Self::NoKey => f.write_str("it holds no private key in PEM form"),
            Self::EncryptedKey => f.write_str("its private key is encrypted"),
            Self::Form => f.write_str("its PEM form is damaged"),
            Self::Certificate(number) => {
                write!(f, "certificate {number} in it is damaged")
            }
            Self::Key => f.write_str("its private key is damaged or of an unknown kind"),
            Self::OtherKey => f.write_str("the private key is not the one of the certificate"),
        }
    }
}

impl std::error::Error for PemError {}

/// Certificates to trust besides the system's. Clones are cheap.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Roots {
    checked: Vec<CertificateDer<'static>>,
    /// PEM texts that are looked into when the first certificate has to be judged: a system's may hold
    /// more than a hundred, and a server on this machine that speaks plain http needs none.
    unread: Vec<Arc<[u8]>>,
}

impl Roots {
    /// The certificates in all these.
    pub fn gathered(parts: impl IntoIterator<Item = Self>) -> Self {
        parts.into_iter().fold(Self::default(), |mut all, part| {
            all.checked.extend(part.checked);
            all.unread.extend(part.unread);
            all
        })
    }

    /// The certificates, in the order of the files. Reads what has not been read yet, and leaves out
    /// what is damaged in it.
    pub fn certificates(&self) -> Vec<CertificateDer<'static>> {
        let mut store = RootCertStore::empty();
        let read = self.unread.iter().flat_map(|text| {
            let certificates = CertificateDer::pem_slice_iter(text);
            certificates.filter_map(Result::ok).collect::<Vec<_>>()
        });
        let sound = read.filter(|certificate| store.add(certificate.clone()).is_ok());
        self.checked.iter().cloned().chain(sound).collect()
    }
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (checked, unread) = (self.checked.len(), self.unread.len());
        write!(f, "{checked} certificates and {unread} files")
    }
}

/// Reads certificates to trust. Every one must be in order: a file that a user names and that is
/// damaged is not what the user meant.
pub fn roots(text: &[u8]) -> Result<Roots, PemError> {
    let certificates = certificates(text)?;
    let mut store = RootCertStore::empty();
    for (index, certificate) in certificates.iter().enumerate() {
        store
            .add(certificate.clone())
            .map_err(|_| PemError::Certificate(index + 1))?;
    }
    Ok(Roots {
        checked: certificates,
        ..Roots::default()
    })
}

/// Takes certificates to trust without a look at each: what is damaged is left out when they are
/// needed, as is usual for what a system provides. An error if there are none.
pub fn system_roots(text: Vec<u8>) -> Result<Roots, PemError> {
    match has_certificate(&text) {
        false => Err(PemError::NoCertificate),
        true => Ok(Roots {
            unread: vec![text.into()],
            ..Roots::default()
        }),
    }
}

/// Whether there is a certificate in PEM form, sound or not.
pub fn has_certificate(text: &[u8]) -> bool {
    memchr::memmem::find(text, b"-----BEGIN CERTIFICATE-----").is_some()
}

/// A certificate that proves to servers who we are, with its key. Its `Debug` shows neither.
#[derive(Clone)]
pub struct ClientCertificate(Arc<CertifiedKey>);

impl ClientCertificate {
    /// Reads the certificate, with those that lead from it to its authority, and its key. Both may
    /// be one file.
    pub fn new(certificate: &[u8], key: &[u8]) -> Result<Self, PemError> {
        let chain = certificates(certificate)?;
        let key = match PrivateKeyDer::from_pem_slice(key) {
            Ok(_) if is_encrypted(key) => return Err(PemError::EncryptedKey),
            Ok(key) => key,
            Err(_) if is_encrypted(key) => return Err(PemError::EncryptedKey),
            Err(pem::Error::NoItemsFound) => return Err(PemError::NoKey),
            Err(_) => return Err(PemError::Form),
        };
        match CertifiedKey::from_der(chain, key, &ring::default_provider()) {
            Ok(certified) => Ok(Self(Arc::new(certified))),
            Err(TlsError::InconsistentKeys(_)) => Err(PemError::OtherKey),
            Err(TlsError::InvalidCertificate(_)) => Err(PemError::Certificate(1)),
            Err(_) => Err(PemError::Key),
        }
    }

    /// The certificate and its key, for the TLS library.
    pub fn certified_key(&self) -> Arc<CertifiedKey> {
        self.0.clone()
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    match found {
        Ok(found) if found.is_empty() => Err(PemError::NoCertificate),
        Ok(found) => Ok(found),
        Err(_) => Err(PemError::Form),
    }
}

/// OpenSSL's own form of an encrypted key looks like a plain one but for a line within it.
pub(crate) fn is_encrypted(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    ENCRYPTED.iter().any(|marker| text.contains(marker))
}

#[cfg(test)]
mod tests;

//! Which certificates are trusted: the system's, read while the first one that has to be judged is on
//! its way.
//!
//! Reading the roots is most of what a TLS client costs to build, fails on machines that have none,
//! and is of no use to a server on this machine that speaks plain http. So it waits, until there is
//! nothing better to do: the server has been sent the first message of a handshake, and has yet to
//! answer.

use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::SingleCertAndKey;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, SignatureScheme,
};
use webpki::EndEntityCert;

use crate::pem::{ClientCertificate, Roots};

/// The TLS settings of the HTTP client. Clones share them.
#[derive(Clone, Debug)]
pub struct Tls {
    /// What the libraries are given.
    pub config: Arc<ClientConfig>,
    /// Who is trusted by it.
    pub trust: Trust,
}

impl Tls {
    /// Trusts whom `trust` says.
    ///
    /// A client certificate goes to whichever server asks for one. Asking is part of the handshake,
    /// before which all we know of a server is its name, and the servers we talk to are the MCP
    /// server, the authorization servers it names, and a proxy: any of them may be the one behind
    /// mutual TLS (RFC 8705 is about tokens that need it at both). What a server that should not have
    /// asked learns is whose certificate it is, as the MCP server itself may; it cannot use it anywhere
    /// (RFC 8446 §4.4.3: the proof is bound to this one handshake).
    pub fn new(trust: Trust, certificate: Option<&ClientCertificate>) -> Result<Self, Error> {
        let builder = ClientConfig::builder_with_provider(trust.0.provider.clone())
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(trust.0.clone());
        let mut config = match certificate {
            None => builder.with_no_client_auth(),
            Some(certificate) => builder.with_client_cert_resolver(Arc::new(
                SingleCertAndKey::from(certificate.certified_key()),
            )),
        };
        // Both libraries take these settings as they are; without this line HTTP/2 is never spoken.
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let config = Arc::new(config);
        Ok(Self { config, trust })
    }
}

/// Who is trusted: some roots besides the system's, which are read once. Clones share them.
#[derive(Clone, Debug)]
pub struct Trust(Arc<LazyVerifier>);

impl Trust {
    /// Trusts `roots` besides the system's. Reads nothing yet.
    pub fn new(roots: Roots) -> Self {
        Self(Arc::new(LazyVerifier {
            provider: Arc::new(ring::default_provider()),
            roots,
            verifier: OnceLock::new(),
            needed: AtomicBool::new(false),
            missed: AtomicBool::new(false),
        }))
    }

    /// For a client that takes the place of one with this. What was read will do, unless something was
    /// missing in it: somebody may have installed that since.
    pub fn again(&self) -> Self {
        match self.0.missed.load(Ordering::Relaxed) {
            true => Self::new(self.0.roots.clone()),
            false => self.clone(),
        }
    }

    /// Does this, in which a handshake may happen; while its answer is on its way, the roots are read.
    /// Where they cannot be, a handshake fails that needs them, and nothing else.
    pub async fn meanwhile<F: Future>(&self, doing: F) -> F::Output {
        let mut doing = pin!(doing);
        poll_fn(|context| {
            let polled = doing.as_mut().poll(context);
            if polled.is_pending() && self.0.needed.load(Ordering::Relaxed) {
                self.0.loaded();
            }
            polled
        })
        .await
    }

    /// Whether the roots have been read.
    #[cfg(test)]
    pub(super) fn is_read(&self) -> bool {
        self.0.verifier.get().is_some()
    }

    /// Whether both have the same roots, read once.
    #[cfg(test)]
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

type Verifier = Arc<dyn ServerCertVerifier>;

/// Judges certificates by roots that it reads when it is first asked, at the latest.
struct LazyVerifier {
    provider: Arc<CryptoProvider>,
    roots: Roots,
    verifier: OnceLock<Result<Verifier, RootsError>>,
    /// A handshake has begun.
    needed: AtomicBool,
    /// There were no roots, or that of somebody who was met was not among them.
    missed: AtomicBool,
}

/// Why no certificate can be judged: the system has no roots, or they cannot be used.
#[derive(Debug, Clone)]
struct RootsError(String);

impl fmt::Display for RootsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this machine has no usable CA certificates ({})", self.0)
    }
}

impl std::error::Error for RootsError {}

/// Who issued a certificate that nobody here vouches for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum UnknownAuthority {
    /// Its own owner.
    Itself,
    /// Somebody of this name, as the certificate says.
    Named(String),
}

impl UnknownAuthority {
    /// What the certificate says of its issuer, if it can be read.
    fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let certificate = EndEntityCert::try_from(certificate).ok()?;
        match certificate.issuer() == certificate.subject() {
            true => Some(Self::Itself),
            false => short_name(certificate.issuer()).map(Self::Named),
        }
    }
}

impl fmt::Display for UnknownAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Itself => f.write_str("self-signed"),
            Self::Named(name) => write!(f, "issued by {name}"),
        }
    }
}

impl std::error::Error for UnknownAuthority {}

/// The common name in a distinguished name (RFC 5280 §4.1.2.4), else the organization.
fn short_name(name: &[u8]) -> Option<String> {
    // The attribute's type, then a string: tag, length below 128, bytes.
    [[6, 3, 0x55, 4, 3], [6, 3, 0x55, 4, 10]]
        .iter()
        .find_map(|attribute| {
            let at = memchr::memmem::find(name, attribute)? + attribute.len();
            let length = usize::from(*name.get(at + 1)?);
            let text = name.get(at + 2..at + 2 + length)?;
            std::str::from_utf8(text).ok().map(str::to_owned)
        })
}

impl LazyVerifier {
    fn loaded(&self) -> &Result<Verifier, RootsError> {
        self.verifier
            .get_or_init(|| system_verifier(self.roots.certificates(), self.provider.clone()))
    }

    fn verifier(&self) -> Result<&Verifier, Error> {
        self.loaded().as_ref().map_err(|error| {
            self.missed.store(true, Ordering::Relaxed);
            Error::Other(OtherError(Arc::new(error.clone())))
        })
    }
}

impl fmt::Debug for LazyVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LazyVerifier")
    }
}

impl ServerCertVerifier for LazyVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let judged = self.verifier()?.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        judged.map_err(|error| match error {
            Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
                self.missed.store(true, Ordering::Relaxed);
                Error::InvalidCertificate(match UnknownAuthority::of(end_entity) {
                    Some(authority) => CertificateError::Other(OtherError(Arc::new(authority))),
                    None => CertificateError::UnknownIssuer,
                })
            }
            other => other,
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    /// Asked for in every first message, and at no other time, so it must not need the roots, and tells
    /// that they will be.
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.needed.store(true, Ordering::Relaxed);
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// Linux and the BSDs: roots from files.
#[cfg(all(unix, not(target_os = "macos")))]
fn system_verifier(
    extra: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
) -> Result<Verifier, RootsError> {
    use rustls::RootCertStore;
    use rustls::client::WebPkiServerVerifier;

    let (certificates, trouble) = system_roots();
    let mut roots = RootCertStore::empty();
    // What cannot be parsed is skipped, as everywhere: one odd root must not take TLS away.
    roots.add_parsable_certificates(certificates);
    roots.add_parsable_certificates(extra);
    if roots.is_empty() {
        return Err(RootsError(trouble));
    }
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map(|verifier| verifier as Verifier)
        .map_err(|error| RootsError(error.to_string()))
}

/// Where distributions keep all roots in one file; reading that costs half of what reading the
/// folder beside it costs.
#[cfg(all(unix, not(target_os = "macos")))]
const BUNDLES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/usr/local/etc/ssl/cert.pem",
];

/// The system's roots, and what to say if there are none. `SSL_CERT_FILE` and `SSL_CERT_DIR` name
/// others in their place; if those hold none, the system's are used all the same.
#[cfg(all(unix, not(target_os = "macos")))]
fn system_roots() -> (Vec<CertificateDer<'static>>, String) {
    use std::env;
    use std::path::Path;

    let named = ["SSL_CERT_FILE", "SSL_CERT_DIR"]
        .iter()
        .any(|name| env::var_os(name).is_some_and(|value| !value.is_empty()));
    let bundle = || {
        let bundle = BUNDLES.iter().map(Path::new).find(|path| path.exists())?;
        let found = rustls_native_certs::load_certs_from_paths(Some(bundle), None);
        (!found.certs.is_empty()).then_some(found.certs)
    };
    if !named && let Some(found) = bundle() {
        return (found, String::new());
    }
    let found = rustls_native_certs::load_native_certs();
    if !found.certs.is_empty() {
        return (found.certs, String::new());
    }
    let trouble = match found.errors.first() {
        Some(error) => error.to_string(),
        None => "none found".to_owned(),
    };
    (bundle().unwrap_or_default(), trouble)
}

/// How many certificates of authorities this machine has, or why there are none.
#[cfg(all(unix, not(target_os = "macos")))]
pub fn count_roots() -> Option<Result<usize, String>> {
    let (certificates, trouble) = system_roots();
    Some(match certificates.len() {
        0 => Err(RootsError(trouble).to_string()),
        count => Ok(count),
    })
}

/// The system judges, and does not say by what.
#[cfg(not(all(unix, not(target_os = "macos"))))]
pub fn count_roots() -> Option<Result<usize, String>> {
    None
}

/// macOS and Windows: the system judges, by its own roots and policies.
#[cfg(not(all(unix, not(target_os = "macos"))))]
fn system_verifier(
    extra: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
) -> Result<Verifier, RootsError> {
    use rustls_platform_verifier::Verifier as System;

    let verifier = match extra.is_empty() {
        true => System::new(provider),
        false => System::new_with_extra_roots(extra, provider),
    };
    match verifier {
        Ok(verifier) => Ok(Arc::new(verifier)),
        Err(error) => Err(RootsError(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use rcgen::{CertificateParams, DnType, Issuer, KeyPair};
    use rustls::ClientConnection;

    use super::*;

    fn tls(certificate: Option<&ClientCertificate>) -> Tls {
        Tls::new(Trust::new(Roots::default()), certificate).expect("settings")
    }

    fn config() -> Arc<ClientConfig> {
        tls(None).config
    }

    #[test]
    fn both_http_versions_are_offered() {
        assert_eq!(config().alpn_protocols, [&b"h2"[..], b"http/1.1"]);
    }

    #[test]
    fn no_certificate_is_offered_unless_there_is_one() {
        assert!(!config().client_auth_cert_resolver.has_certs());
        let key = KeyPair::generate().expect("key");
        let pem = CertificateParams::default()
            .self_signed(&key)
            .expect("certificate")
            .pem();
        let pem = format!("{pem}{}", key.serialize_pem());
        let ours = ClientCertificate::new(pem.as_bytes(), pem.as_bytes()).expect("certificate");
        let config = tls(Some(&ours)).config;
        assert!(config.client_auth_cert_resolver.has_certs());
    }

    /// Begins a handshake.
    fn greet(tls: &Tls) {
        let name = ServerName::try_from("a.test").expect("a name");
        let greeting = ClientConnection::new(tls.config.clone(), name).expect("a connection");
        assert!(greeting.wants_write());
    }

    #[test]
    fn the_roots_are_read_while_an_answer_to_a_handshake_is_awaited_and_at_no_other_time() {
        let tls = tls(None);
        let trust = tls.trust.clone();
        let silent = || trust.meanwhile(std::future::pending::<()>());
        assert!(silent().now_or_never().is_none());
        assert!(!trust.is_read());
        let done = trust.meanwhile(async { greet(&tls) });
        assert_eq!(done.now_or_never(), Some(()));
        assert!(!trust.is_read());
        assert!(silent().now_or_never().is_none());
        assert!(trust.is_read());
    }

    #[test]
    fn what_was_read_is_kept_unless_something_was_missing_in_it() {
        let trust = Trust::new(Roots::default());
        assert!(trust.again().is(&trust));
        let key = KeyPair::generate().expect("key");
        let stranger = CertificateParams::new(vec!["a.test".to_owned()])
            .expect("name")
            .self_signed(&key)
            .expect("certificate");
        let name = ServerName::try_from("a.test").expect("a name");
        let judged = |trust: &Trust| {
            let now = UnixTime::now();
            trust
                .0
                .verify_server_cert(stranger.der(), &[], &name, &[], now)
        };
        assert!(judged(&trust).is_err());
        assert!(!trust.again().is(&trust));

        let none = Trust::new(Roots::default());
        let error = RootsError("none found".to_owned());
        none.0.verifier.set(Err(error)).expect("nothing was read");
        assert!(none.again().is(&none));
        assert!(judged(&none).is_err());
        assert!(!none.again().is(&none));
        assert!(!none.again().is_read());
    }

    #[test]
    fn the_issuer_of_a_certificate_is_told() {
        let key = KeyPair::generate().expect("key");
        let mut authority = CertificateParams::default();
        authority
            .distinguished_name
            .push(DnType::OrganizationName, "Example AG");
        authority
            .distinguished_name
            .push(DnType::CommonName, "Inspection CA");
        let own = authority.self_signed(&key).expect("certificate");
        assert_eq!(
            UnknownAuthority::of(own.der()),
            Some(UnknownAuthority::Itself)
        );
        let issuer = Issuer::new(authority, key);
        let server = CertificateParams::new(vec!["a.test".to_owned()])
            .expect("name")
            .signed_by(&KeyPair::generate().expect("key"), &issuer)
            .expect("certificate");
        assert_eq!(
            UnknownAuthority::of(server.der()),
            Some(UnknownAuthority::Named("Inspection CA".to_owned()))
        );
        let nonsense = CertificateDer::from(vec![0x30, 0]);
        assert_eq!(UnknownAuthority::of(&nonsense), None);
    }

    #[test]
    fn a_name_that_is_cut_off_is_none() {
        assert_eq!(short_name(&[6, 3, 0x55, 4, 3, 12, 9, b'a']), None);
        assert_eq!(short_name(&[6, 3, 0x55, 4, 3]), None);
        assert_eq!(short_name(&[]), None);
        assert_eq!(
            short_name(&[6, 3, 0x55, 4, 10, 12, 1, b'a']).as_deref(),
            Some("a")
        );
    }
}

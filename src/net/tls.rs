//! Which certificates are trusted: the system's, read when the first one has to be judged.
//!
//! Reading the roots is most of what a TLS client costs to build, fails on machines that have none,
//! and is of no use to a server on this machine that speaks plain http. So it waits.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, OtherError, SignatureScheme};

/// The TLS settings of the HTTP client. `ca_file` holds certificates, in PEM form, that are trusted
/// besides the system's; it is read at the first handshake.
pub fn client_config(ca_file: Option<PathBuf>) -> Result<ClientConfig, Error> {
    let provider = Arc::new(ring::default_provider());
    let verifier = LazyVerifier {
        provider: provider.clone(),
        ca_file,
        verifier: OnceLock::new(),
    };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    // reqwest takes these settings as they are; without this line HTTP/2 is never spoken.
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

type Verifier = Arc<dyn ServerCertVerifier>;

/// Judges certificates by roots that it reads when it is first asked.
struct LazyVerifier {
    provider: Arc<CryptoProvider>,
    ca_file: Option<PathBuf>,
    verifier: OnceLock<Result<Verifier, RootsError>>,
}

/// Why no certificate can be judged.
#[derive(Debug, Clone)]
enum RootsError {
    /// The file the user named cannot be used.
    CaFile(PathBuf, String),
    /// The system has no roots, or they cannot be used.
    System(String),
}

impl fmt::Display for RootsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CaFile(path, why) => {
                write!(f, "cannot use the CA file `{}`: {why}", path.display())
            }
            Self::System(why) => write!(
                f,
                "this machine has no usable CA certificates ({why}); install its `ca-certificates` or name a CA file"
            ),
        }
    }
}

impl std::error::Error for RootsError {}

impl LazyVerifier {
    fn verifier(&self) -> Result<&Verifier, Error> {
        let loaded = self.verifier.get_or_init(|| self.load());
        loaded
            .as_ref()
            .map_err(|error| Error::Other(OtherError(Arc::new(error.clone()))))
    }

    fn load(&self) -> Result<Verifier, RootsError> {
        let mut extra = Vec::new();
        if let Some(path) = &self.ca_file {
            let failed = |why: String| RootsError::CaFile(path.clone(), why);
            for certificate in
                CertificateDer::pem_file_iter(path).map_err(|error| failed(error.to_string()))?
            {
                extra.push(certificate.map_err(|error| failed(error.to_string()))?);
            }
            if extra.is_empty() {
                return Err(failed("no PEM certificate in it".to_owned()));
            }
        }
        system_verifier(extra, self.provider.clone())
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
        self.verifier()?.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        )
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

    /// Asked for in every first message, so it must not need the roots.
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
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
        return Err(RootsError::System(trouble));
    }
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map(|verifier| verifier as Verifier)
        .map_err(|error| RootsError::System(error.to_string()))
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

/// The system's roots, and what to say if there are none.
#[cfg(all(unix, not(target_os = "macos")))]
fn system_roots() -> (Vec<CertificateDer<'static>>, String) {
    use std::env;
    use std::path::Path;

    let named = ["SSL_CERT_FILE", "SSL_CERT_DIR"]
        .iter()
        .any(|name| env::var_os(name).is_some_and(|value| !value.is_empty()));
    let bundle = BUNDLES.iter().map(Path::new).find(|path| path.exists());
    if let (false, Some(bundle)) = (named, bundle) {
        let found = rustls_native_certs::load_certs_from_paths(Some(bundle), None);
        if !found.certs.is_empty() {
            return (found.certs, String::new());
        }
    }
    let found = rustls_native_certs::load_native_certs();
    let trouble = match found.errors.first() {
        Some(error) => error.to_string(),
        None => "none found".to_owned(),
    };
    (found.certs, trouble)
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
        Err(error) => Err(RootsError::System(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(ca_file: Option<PathBuf>) -> Result<Verifier, RootsError> {
        LazyVerifier {
            provider: Arc::new(ring::default_provider()),
            ca_file,
            verifier: OnceLock::new(),
        }
        .load()
    }

    #[test]
    fn both_http_versions_are_offered() {
        let config = client_config(None).expect("config");
        assert_eq!(config.alpn_protocols, [&b"h2"[..], b"http/1.1"]);
    }

    #[test]
    fn missing_or_empty_ca_file_is_named_in_the_error() {
        let folder = tempfile::tempdir().expect("folder");
        let missing = folder.path().join("missing.pem");
        let error = load(Some(missing)).expect_err("missing").to_string();
        assert!(error.contains("missing.pem`"), "{error}");
        let empty = folder.path().join("empty.pem");
        std::fs::write(&empty, "not a certificate").expect("write");
        let error = load(Some(empty)).expect_err("empty").to_string();
        assert!(error.ends_with("no PEM certificate in it"), "{error}");
    }

    #[test]
    fn building_reads_no_ca_file() {
        assert!(client_config(Some(PathBuf::from("/nonexistent/ca.pem"))).is_ok());
    }
}

//! A certification authority of the tests' own, and files to keep what it issues in.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};
use tempfile::TempDir;

/// An authority with a folder for its files.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    folder: TempDir,
    /// Its own certificate.
    pub certificate: PathBuf,
}

/// A certificate and its key.
pub struct Pair {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// What a certificate is for.
pub enum For<'a> {
    /// A server of these names.
    Server(&'a [&'a str]),
    /// The same, but its time is over.
    Expired(&'a [&'a str]),
    /// A person of this name.
    Client(&'a str),
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        let path = write(&folder, "ca.crt", &certificate.pem());
        Self {
            issuer: Issuer::new(params, key),
            folder,
            certificate: path,
        }
    }

    /// Issues a certificate.
    pub fn issue(&self, whom: For<'_>) -> Pair {
        let names = match whom {
            For::Server(names) | For::Expired(names) => names,
            For::Client(_) => &[],
        };
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).expect("names");
        match whom {
            For::Server(_) => {}
            For::Expired(_) => {
                params.not_before = date_time_ymd(2020, 1, 1);
                params.not_after = date_time_ymd(2021, 2, 3);
            }
            For::Client(name) => params.distinguished_name.push(DnType::CommonName, name),
        }
        params.extended_key_usages = vec![match whom {
            For::Client(_) => ExtendedKeyUsagePurpose::ClientAuth,
            _ => ExtendedKeyUsagePurpose::ServerAuth,
        }];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let number = fs::read_dir(self.folder.path()).expect("a folder").count();
        let name = |end: &str| format!("{number}.{end}");
        Pair {
            certificate: write(&self.folder, &name("crt"), &certificate.pem()),
            key: write(&self.folder, &name("key"), &key.serialize_pem()),
        }
    }

    /// The option that names its certificate.
    pub fn option(&self) -> String {
        format!("--ca-file={}", self.certificate.display())
    }
}

/// A certificate for a server of these names that it signed itself.
pub fn self_signed(folder: &TempDir, names: &[&str]) -> Pair {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(names).expect("names");
    let certificate = params.self_signed(&key).expect("a certificate");
    Pair {
        certificate: write(folder, "own.crt", &certificate.pem()),
        key: write(folder, "own.key", &key.serialize_pem()),
    }
}

/// Writes a file that nobody else can read.
fn write(folder: &TempDir, name: &str, text: &str) -> PathBuf {
    let path: &Path = folder.path();
    let path = path.join(name);
    fs::write(&path, text).expect("a writable folder");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("our own file");
    }
    path
}

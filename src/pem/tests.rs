use rcgen::{CertificateParams, KeyPair};

use super::*;

/// A self-signed certificate and its key, in PEM form.
fn pair() -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["a.test".to_owned()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    (certificate.pem(), key.serialize_pem())
}

fn client(certificate: &str, key: &str) -> Result<(), PemError> {
    ClientCertificate::new(certificate.as_bytes(), key.as_bytes()).map(|_| ())
}

#[test]
fn a_file_may_hold_many_roots_among_other_text() {
    let (one, key) = pair();
    let (other, _) = pair();
    let text = format!("# the company's\n{one}\n{key}\nsubject=x\n{other}");
    assert_eq!(roots(text.as_bytes()).unwrap().certificates().len(), 2);
    let both = Roots::gathered([
        roots(one.as_bytes()).unwrap(),
        roots(other.as_bytes()).unwrap(),
    ]);
    assert_eq!(both, roots(text.as_bytes()).unwrap());
}

#[test]
fn what_is_wrong_with_a_file_of_roots_is_said() {
    let (good, _) = pair();
    let damaged = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (text, expected) in [
        (String::new(), PemError::NoCertificate),
        ("\u{30}\u{82}binary".to_owned(), PemError::NoCertificate),
        (format!("{good}{damaged}"), PemError::Certificate(2)),
        (
            "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----".to_owned(),
            PemError::Form,
        ),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n".to_owned(),
            PemError::Form,
        ),
    ] {
        assert_eq!(roots(text.as_bytes()), Err(expected), "{text}");
    }
}

#[test]
fn damaged_roots_of_a_system_are_left_out() {
    let (good, _) = pair();
    let damaged = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let found = system_roots(format!("{damaged}{good}").into()).unwrap();
    assert_eq!(
        found.certificates(),
        roots(good.as_bytes()).unwrap().certificates()
    );
    let found = system_roots(damaged.into()).unwrap();
    assert!(found.certificates().is_empty());
    let none = system_roots("no certificate".into());
    assert_eq!(none, Err(PemError::NoCertificate));
}

#[test]
fn a_client_certificate_takes_its_key_from_the_same_file_or_another() {
    let (certificate, key) = pair();
    assert_eq!(client(&certificate, &key), Ok(()));
    let one_file = format!("{key}{certificate}");
    assert_eq!(client(&one_file, &one_file), Ok(()));
}

#[test]
fn what_is_wrong_with_a_client_certificate_is_said() {
    let (certificate, key) = pair();
    let (_, other_key) = pair();
    // The two forms that OpenSSL writes; what follows the first lines does not matter.
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nMIIB\n-----END RSA PRIVATE KEY-----\n";
    let nonsense = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    for (certificate, key, expected) in [
        (&*certificate, &*certificate, PemError::NoKey),
        (&*key, &*key, PemError::NoCertificate),
        (&*certificate, encrypted, PemError::EncryptedKey),
        (&*certificate, old, PemError::EncryptedKey),
        (&*certificate, nonsense, PemError::Key),
        (&*certificate, &*other_key, PemError::OtherKey),
    ] {
        assert_eq!(client(certificate, key), Err(expected));
    }
}

#[test]
fn debug_output_shows_neither_certificate_nor_key() {
    let (certificate, key) = pair();
    let client = ClientCertificate::new(certificate.as_bytes(), key.as_bytes()).unwrap();
    assert_eq!(format!("{client:?}"), "[redacted]");
    let roots = roots(certificate.as_bytes()).unwrap();
    assert_eq!(format!("{roots:?}"), "1 certificates and 0 files");
}

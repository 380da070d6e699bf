use rustls::OtherError;
use rustls::pki_types::ServerName;
use std::sync::Arc;

use super::*;

fn words(why: CertificateError) -> (String, &'static str) {
    certificate_trouble(&why, "its certificate")
}

#[test]
fn each_fault_of_a_certificate_has_words_of_its_own() {
    let time = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    let authority =
        |authority: UnknownAuthority| CertificateError::Other(OtherError(Arc::new(authority)));
    for (why, cause, hint) in [
        (
            CertificateError::ExpiredContext {
                time: time(800_000_000),
                not_after: time(784_111_777),
            },
            "its certificate ended on Sun, 06 Nov 1994 08:49:37 GMT",
            CLOCK_HINT,
        ),
        (
            CertificateError::NotValidYetContext {
                time: time(1),
                not_before: time(784_111_777),
            },
            "its certificate is not valid before Sun, 06 Nov 1994 08:49:37 GMT",
            CLOCK_HINT,
        ),
        (
            CertificateError::NotValidForNameContext {
                expected: ServerName::try_from("mcp.test").unwrap(),
                presented: vec!["DnsName(\"a.test\")".into(), "IpAddress(10.0.0.1)".into()],
            },
            "its certificate is for `a.test`, `10.0.0.1`, not for `mcp.test`",
            "check the address",
        ),
        (
            CertificateError::NotValidForNameContext {
                expected: ServerName::try_from("mcp.test").unwrap(),
                presented: vec![],
            },
            "its certificate is for no host, not for `mcp.test`",
            "check the address",
        ),
        (
            authority(UnknownAuthority::Itself),
            "its certificate is self-signed",
            TRUST_HINT,
        ),
        (
            authority(UnknownAuthority::Named("Inspection\nCA".into())),
            "its certificate was issued by `Inspection CA`, whom this machine does not trust",
            TRUST_HINT,
        ),
        (
            CertificateError::UnknownIssuer,
            "its certificate was issued by somebody whom this machine does not trust",
            TRUST_HINT,
        ),
        (
            CertificateError::Revoked,
            "its certificate has been revoked",
            "only the operator of the server can mend that",
        ),
    ] {
        assert_eq!(words(why), (cause.to_owned(), hint));
    }
}

#[test]
fn cause_and_hint_make_one_sentence() {
    let trouble = Trouble::lasting("it wants more", "give it more");
    assert_eq!(trouble.to_string(), "it wants more; give it more");
    assert_eq!(trouble.delivery, Delivery::Distrusted);
    let trouble = Trouble::new(Delivery::Unknown, "it broke off");
    assert_eq!(trouble.to_string(), "it broke off");
}

#[test]
fn a_proxys_password_is_not_shown() {
    let proxy = Url::parse("http://me:PASSWORD_1@proxy.test:3128").unwrap();
    let text = Trouble::proxy_password(&proxy).to_string();
    assert!(
        text.starts_with("the proxy `http://proxy.test:3128` does not accept"),
        "{text}"
    );
    assert!(!text.contains("PASSWORD_1"), "{text}");
}

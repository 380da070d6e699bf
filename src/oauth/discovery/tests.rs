use super::*;
use crate::ids::ServerUrl;

/// A server's answer.
pub fn reply(url: &Url, status: u16, body: &str) -> Fetched {
    Ok(Reply {
        status,
        body: body.as_bytes().to_vec(),
        url: url.clone(),
        retry_after: None,
    })
}

/// A network that does not work.
pub fn unreachable() -> Fetched {
    Err(FetchFault::NotSent(std::sync::Arc::new(
        std::io::Error::other("connection refused"),
    )))
}

pub fn server(text: &str) -> ServerUrl {
    ServerUrl::parse(text, true).expect(text)
}

#[test]
fn learnt_addresses_are_https_or_local_to_a_local_server() {
    let (far, near) = (server("https://m.example/"), server("http://127.0.0.1:1/"));
    for text in ["https://as.example/x?y=z", "https://10.0.0.1/"] {
        assert!(learnt_address(text, &far).is_ok(), "{text}");
    }
    for text in [
        "http://localhost:8/",
        "http://[::1]/",
        "https://as.example/",
    ] {
        assert!(learnt_address(text, &near).is_ok(), "{text}");
    }
    for text in [
        "http://localhost/",
        "http://as.example/",
        "file:///etc/passwd",
        "javascript:1",
    ] {
        let fault = learnt_address(text, &far).unwrap_err();
        assert!(matches!(fault, AddressFault::NotSecure(_)), "{text}");
    }
    let fault = learnt_address("http://as.example/", &near).unwrap_err();
    assert!(matches!(fault, AddressFault::NotSecure(_)));
    let plain = server("http://m.example/");
    assert!(learnt_address("http://localhost/", &plain).is_err());
}

#[test]
fn learnt_addresses_carry_no_credentials_and_no_fragment() {
    let far = server("https://m.example/");
    for text in [
        "https://u@as.example/",
        "https://:p@as.example/",
        "https://as.example/#f",
    ] {
        let fault = learnt_address(text, &far).unwrap_err();
        assert!(matches!(fault, AddressFault::Decorated(_)), "{text}");
    }
    let fault = learnt_address("https://u:SECRET@as.example/?a=SECRET", &far).unwrap_err();
    assert!(!fault.to_string().contains("SECRET"));
    let fault = learnt_address("/relative", &far).unwrap_err();
    assert!(matches!(fault, AddressFault::NotAnAddress(_)));
}

//! Requests that prove a key as well (RFC 9449 §5, §8, §10.1).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::*;
use crate::oauth::dpop::{Binding, ProofKey};
use crate::oauth::pushed::PushRequest;

/// The claims of the one proof that came with a request.
fn proven(request: &str) -> serde_json::Value {
    let head = request.split("\r\n\r\n").next().unwrap();
    let mut lines = head.lines().filter_map(|line| line.strip_prefix("dpop: "));
    let proof = lines.next().expect("a proof");
    assert!(lines.next().is_none(), "{head}");
    let claims = proof.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap()
}

fn wants_nonce(nonce: &str) -> String {
    let headers = format!("content-type: application/json\r\nDPoP-Nonce: {nonce}\r\n");
    answer(400, &headers, r#"{"error":"use_dpop_nonce"}"#)
}

fn push_of(remote: &Remote, auth_method: AuthMethod, proof_key: Option<ProofKey>) -> PushRequest {
    PushRequest {
        endpoint: remote.url.clone(),
        client: ours(auth_method),
        form: vec![("state".to_owned(), "STATE_1".to_owned())],
        proof_key,
    }
}

#[tokio::test]
async fn a_pushed_request_proves_its_key_again_with_the_nonce_that_is_wanted() {
    let taken = answer(201, "DPoP-Nonce: n2\r\n", r#"{"request_uri":"urn:x"}"#);
    let remote = Remote::new([wants_nonce("n1"), taken, json(200, GOOD)]).await;
    let key = ProofKey::generate().unwrap();
    let http = http();
    let request = push_of(&remote, AuthMethod::None, Some(key.clone()));
    let document = push(&http, &request).await.expect("an answer");
    assert_eq!(document.status, 201);
    // What was said there holds at the token endpoint of the same server, too.
    let exchange = TokenRequest {
        binding: Some(Binding {
            key,
            required: false,
        }),
        ..refresh(&remote, AuthMethod::None)
    };
    super::super::request(&http, &exchange, 0)
        .await
        .expect("tokens");
    let proofs: Vec<_> = remote.asked().iter().map(|asked| proven(asked)).collect();
    let nonces: Vec<_> = proofs.iter().map(|proof| proof["nonce"].as_str()).collect();
    assert_eq!(nonces, [None, Some("n1"), Some("n2")]);
    assert_ne!(proofs[0]["jti"], proofs[1]["jti"]);
    for proof in &proofs {
        assert_eq!((&proof["htm"], proof.get("ath")), (&"POST".into(), None));
        assert_eq!(proof["htu"], remote.url.as_str().split('?').next().unwrap());
    }
    let asked = remote.asked();
    assert!(
        asked
            .iter()
            .take(2)
            .all(|asked| has(asked, "state", "STATE_1"))
    );
}

#[tokio::test]
async fn a_nonce_that_is_wanted_again_and_again_ends_the_request() {
    let remote = Remote::new([wants_nonce("n1"), wants_nonce("n2"), wants_nonce("n3")]).await;
    let key = ProofKey::generate().unwrap();
    let request = push_of(&remote, AuthMethod::None, Some(key));
    let document = push(&http(), &request).await.expect("an answer");
    assert_eq!((document.status, remote.asked().len()), (400, 2));
}

#[tokio::test]
async fn proofs_of_client_and_key_are_mended_one_after_the_other() {
    let unknown = json(401, r#"{"error":"invalid_client"}"#);
    let taken = json(201, r#"{"request_uri":"urn:x"}"#);
    let remote = Remote::new([wants_nonce("n1"), unknown, taken]).await;
    let key = ProofKey::generate().unwrap();
    let request = push_of(&remote, AuthMethod::ClientSecretBasic, Some(key));
    push(&http(), &request).await.expect("an answer");
    let asked = remote.asked();
    let ways: Vec<_> = asked
        .iter()
        .map(|asked| asked.contains("client_secret="))
        .collect();
    assert_eq!(ways, [false, false, true]);
    let nonces: Vec<_> = asked
        .iter()
        .map(|asked| proven(asked)["nonce"].clone())
        .collect();
    assert_eq!(nonces, [serde_json::Value::Null, "n1".into(), "n1".into()]);
}

#[tokio::test]
async fn without_a_key_nothing_is_proved_and_no_nonce_met() {
    let remote = Remote::new([wants_nonce("n1")]).await;
    let request = push_of(&remote, AuthMethod::None, None);
    let document = push(&http(), &request).await.expect("an answer");
    assert_eq!(document.status, 400);
    assert!(!remote.asked()[0].contains("dpop:"));
}

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use serde_json::Value;

use super::*;

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

/// Header and claims of a proof whose signature is good.
fn verified(proof: &HeaderValue) -> (Value, Value) {
    let text = proof.to_str().unwrap();
    let parts: Vec<&str> = text.split('.').collect();
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).unwrap();
    let header: Value = serde_json::from_slice(&decode(parts[0])).unwrap();
    let coordinate = |name: &str| decode(header["jwk"][name].as_str().unwrap());
    let public = [vec![4], coordinate("x"), coordinate("y")].concat();
    let signed = format!("{}.{}", parts[0], parts[1]);
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, public)
        .verify(signed.as_bytes(), &decode(parts[2]))
        .unwrap();
    (header, serde_json::from_slice(&decode(parts[1])).unwrap())
}

fn prove(prover: &Prover, key: &ProofKey, tries: &Tries) -> HeaderValue {
    let endpoint = url("https://as.example/token");
    prover.prove(key, "POST", &endpoint, None, tries).unwrap()
}

#[test]
fn a_proof_is_signed_by_the_key_whose_public_half_it_shows() {
    let key = ProofKey::generate().unwrap();
    let proof = prove(&Prover::default(), &key, &Tries::default());
    assert!(proof.is_sensitive());
    let (header, claims) = verified(&proof);
    assert_eq!(
        (&header["typ"], &header["alg"]),
        (&"dpop+jwt".into(), &"ES256".into())
    );
    let jwk = header["jwk"].as_object().unwrap();
    assert_eq!(jwk.keys().collect::<Vec<_>>(), ["crv", "kty", "x", "y"]);
    assert!(claims.get("ath").is_none());
    assert!(claims["iat"].as_u64().unwrap().abs_diff(now()) < 60);
}

#[test]
fn two_proofs_never_share_their_identifier() {
    let (prover, key) = (Prover::default(), ProofKey::generate().unwrap());
    let id = || verified(&prove(&prover, &key, &Tries::default())).1["jti"].to_string();
    let ids: std::collections::HashSet<String> = (0..50).map(|_| id()).collect();
    assert_eq!(ids.len(), 50);
}

#[test]
fn what_an_answer_says_goes_into_the_next_proof() {
    let (prover, key) = (Prover::default(), ProofKey::generate().unwrap());
    let mut headers = HeaderMap::new();
    headers.insert("dpop-nonce", HeaderValue::from_static("NONCE_1"));
    headers.insert(
        DATE,
        HeaderValue::from_static("Tue, 15 Nov 1994 08:12:31 GMT"),
    );
    let told = Told::read(&headers);
    let mut tries = Tries::default();
    let endpoint = url("https://as.example/token");
    assert!(prover.hear(&endpoint, &told, Some("invalid_dpop_proof"), &mut tries));
    let (_, claims) = verified(&prove(&prover.clone(), &key, &tries));
    assert_eq!(claims["nonce"], "NONCE_1");
    let shown = claims["iat"].as_u64().unwrap();
    assert!(shown.abs_diff(784_887_151) < 60, "{shown}");
}

#[test]
fn headers_that_cannot_be_read_say_nothing() {
    let mut headers = HeaderMap::new();
    headers.insert("dpop-nonce", HeaderValue::from_bytes(b"\xff").unwrap());
    headers.insert(DATE, HeaderValue::from_static("yesterday"));
    let told = Told::read(&headers);
    assert!(told.nonce.is_none() && told.date.is_none());
}

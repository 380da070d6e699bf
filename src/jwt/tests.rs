mod keys;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256,
    RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde_json::{Value, json};

use super::*;
use keys::*;

fn key(text: &str) -> SigningKey {
    SigningKey::from_pem(text.as_bytes(), None).unwrap()
}

/// The same for another algorithm than the key's first.
fn key_for(text: &str, algorithm: Algorithm) -> SigningKey {
    SigningKey::from_pem(text.as_bytes(), Some(algorithm)).unwrap()
}

fn refused(text: &str) -> KeyError {
    SigningKey::from_pem(text.as_bytes(), None).unwrap_err()
}

fn bytes(text: &Value) -> Vec<u8> {
    BASE64URL.decode(text.as_str().unwrap()).unwrap()
}

fn part(part: &str) -> Value {
    serde_json::from_slice(&BASE64URL.decode(part).unwrap()).unwrap()
}

/// Header and claims of a token, once ring has found the signature to be that of the public key.
fn verified(token: &Secret, jwk: &Value) -> (Value, Value) {
    let parts: Vec<&str> = token.expose().split('.').collect();
    let [header, claims, signature] = parts[..] else {
        panic!("three parts")
    };
    let message = format!("{header}.{claims}");
    let signature = BASE64URL.decode(signature).unwrap();
    let outcome = match jwk["kty"].as_str().unwrap() {
        "EC" => {
            let point = [vec![4], bytes(&jwk["x"]), bytes(&jwk["y"])].concat();
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
                .verify(message.as_bytes(), &signature)
        }
        "OKP" => UnparsedPublicKey::new(&ED25519, bytes(&jwk["x"]))
            .verify(message.as_bytes(), &signature),
        _ => {
            let (n, e) = (bytes(&jwk["n"]), bytes(&jwk["e"]));
            let padding: &RsaParameters = match part(header)["alg"].as_str() {
                Some("PS256") => &RSA_PSS_2048_8192_SHA256,
                _ => &RSA_PKCS1_2048_8192_SHA256,
            };
            RsaPublicKeyComponents { n, e }.verify(padding, message.as_bytes(), &signature)
        }
    };
    outcome.expect("the signature is that of the key");
    (part(header), part(claims))
}

#[test]
fn what_each_kind_of_key_signs_is_verified_with_its_public_half() {
    let claims = json!({"iss": "client-1", "exp": 1_300_819_380u64, "aud": "https://as.example/"});
    for (text, alg) in [
        (EC_JWK, "ES256"),
        (ED25519_JWK, "EdDSA"),
        (RSA_JWK, "RS256"),
        (RSA_JWK, "PS256"),
    ] {
        let key = key_for(text, Algorithm::from_name(alg).unwrap());
        let header = Header {
            typ: Some("JWT"),
            kid: Some("key-1".to_owned()),
            jwk: false,
        };
        let token = key.sign(header, &claims).unwrap();
        let (header, got) = verified(&token, &key.public_jwk());
        assert_eq!(header, json!({"alg": alg, "typ": "JWT", "kid": "key-1"}));
        assert_eq!(got, claims);
    }
}

#[test]
fn a_token_can_carry_its_public_key_and_nothing_of_the_private_one() {
    for text in [EC_JWK, ED25519_JWK, RSA_JWK] {
        let key = key(text);
        let header = Header {
            typ: Some("dpop+jwt"),
            jwk: true,
            ..Header::default()
        };
        let token = key.sign(header, &json!({})).unwrap();
        let (header, _) = verified(&token, &key.public_jwk());
        assert_eq!(header["typ"], "dpop+jwt");
        assert_eq!(header["jwk"], key.public_jwk());
        assert_eq!(header.as_object().unwrap().len(), 3, "{header}");
        for private in ["d", "p", "q", "dp", "dq", "qi"] {
            assert!(header["jwk"].get(private).is_none(), "{private}");
        }
    }
}

#[test]
fn a_header_says_no_more_than_asked() {
    let token = key(EC_JWK).sign(Header::default(), &json!({})).unwrap();
    let header = token.expose().split('.').next().unwrap();
    assert_eq!(part(header), json!({"alg": "ES256"}));
}

#[test]
fn a_signature_over_something_else_is_not_verified() {
    let key = key(EC_JWK);
    let token = key.sign(Header::default(), &json!({"a": 1})).unwrap();
    let other = key.sign(Header::default(), &json!({"a": 2})).unwrap();
    let (message, _) = token.expose().rsplit_once('.').unwrap();
    let (_, signature) = other.expose().rsplit_once('.').unwrap();
    let mixed = Secret::new(format!("{message}.{signature}"));
    let jwk = key.public_jwk();
    assert!(std::panic::catch_unwind(|| verified(&mixed, &jwk)).is_err());
}

/// RFC 7515, Appendix A.2.1, and RFC 8037, Appendix A.4: these two algorithms give one message one
/// signature.
#[test]
fn the_signatures_that_rfcs_print() {
    provider::install();
    for (text, message, signature) in [
        (
            RSA_JWK,
            "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ",
            "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
        ),
        (
            ED25519_JWK,
            "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
            "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
        ),
    ] {
        let key = key(text);
        let algorithm = key.algorithm().theirs();
        let sign = || jsonwebtoken::crypto::sign(message.as_bytes(), &key.0.key, algorithm);
        let made = provider::signing_with(&key.0.pair, sign);
        assert_eq!(made.unwrap(), signature);
    }
}

#[test]
fn the_thumbprints_that_rfcs_print() {
    // RFC 8037, Appendix A.3.
    assert_eq!(
        key(ED25519_JWK).thumbprint(),
        "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    );
    // RFC 7638 §3.1 prints the public half only, with members that do not count.
    let printed: Jwk = serde_json::from_value(json!({
        "kty": "RSA",
        "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
        "e": "AQAB",
        "alg": "RS256",
        "kid": "2011-04-29"
    }))
    .unwrap();
    assert_eq!(
        printed.thumbprint(ThumbprintHash::SHA256).unwrap(),
        "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
    );
}

#[test]
fn public_halves_have_the_members_that_rfcs_print() {
    for (text, members) in [
        (EC_JWK, &["crv", "kty", "x", "y"][..]),
        (ED25519_JWK, &["crv", "kty", "x"]),
        (RSA_JWK, &["e", "kty", "n"]),
    ] {
        let whole: Value = serde_json::from_str(text).unwrap();
        let public = key(text).public_jwk();
        let names: Vec<&str> = public
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        assert_eq!(names, members);
        for name in members {
            assert_eq!(public[name], whole[name], "{name}");
        }
    }
}

#[test]
fn each_form_of_a_key_is_the_same_key() {
    for (jwk, others) in [
        (EC_JWK, &[EC_PKCS8, EC_SEC1][..]),
        (RSA_JWK, &[RSA_PKCS8, RSA_PKCS1, RSA_PSS_PKCS8]),
        (ED25519_JWK, &[ED25519_PKCS8]),
    ] {
        for other in others {
            assert_eq!(key(other).public_jwk(), key(jwk).public_jwk());
            let token = key(other).sign(Header::default(), &json!({})).unwrap();
            verified(&token, &key(jwk).public_jwk());
        }
    }
}

#[test]
fn text_around_a_key_is_passed_over() {
    let text = format!("Bag Attributes\n  friendlyName: x\n{EC_PKCS8}trailing\n");
    assert_eq!(key(&text), key(EC_JWK));
    let text = format!(
        "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n{EC_SEC1}"
    );
    assert_eq!(key(&text), key(EC_JWK));
    assert_eq!(key(&EC_PKCS8.replace('\n', "\r\n")), key(EC_JWK));
    assert_eq!(key(&format!("\n  {EC_JWK}\n")), key(EC_JWK));
}

#[test]
fn a_key_is_kept_and_taken_up_again() {
    for text in [EC_JWK, ED25519_JWK, RSA_JWK] {
        let key = key(text);
        let again = SigningKey::from_kept(&key.kept()).unwrap();
        assert_eq!(again, key);
        assert_eq!(again.kept(), key.kept());
        let token = again.sign(Header::default(), &json!({"a": 1})).unwrap();
        verified(&token, &key.public_jwk());
    }
    for damaged in [
        "",
        "AAAA",
        "not base64!",
        &key(EC_JWK).kept().expose()[..40],
    ] {
        assert!(
            SigningKey::from_kept(&Secret::new(damaged)).is_err(),
            "{damaged}"
        );
    }
}

#[test]
fn a_new_key_is_another_one_each_time() {
    let (one, two) = (
        SigningKey::generate().unwrap(),
        SigningKey::generate().unwrap(),
    );
    assert_eq!(one.algorithm(), Algorithm::Es256);
    assert_ne!(one.thumbprint(), two.thumbprint());
    let again = SigningKey::from_kept(&one.kept()).unwrap();
    let token = again.sign(Header::default(), &json!({})).unwrap();
    verified(&token, &one.public_jwk());
}

#[test]
fn the_algorithm_has_to_be_the_key_s() {
    let meant = |alg: &str| RSA_JWK.replacen('{', &format!(r#"{{"alg":"{alg}","#), 1);
    for (text, right, also) in [
        (EC_PKCS8, Algorithm::Es256, None),
        (ED25519_PKCS8, Algorithm::EdDsa, None),
        (RSA_PKCS8, Algorithm::Rs256, Some(Algorithm::Ps256)),
        (RSA_JWK, Algorithm::Rs256, Some(Algorithm::Ps256)),
        (&meant("RS256"), Algorithm::Rs256, None),
        (&meant("PS256"), Algorithm::Ps256, None),
        (RSA_PSS_PKCS8, Algorithm::Ps256, None),
    ] {
        assert_eq!(key(text).algorithm(), right);
        for wanted in Algorithm::ALL {
            let outcome = SigningKey::from_pem(text.as_bytes(), Some(wanted));
            match wanted == right || Some(wanted) == also {
                true => assert_eq!(outcome.unwrap().algorithm(), wanted),
                false => {
                    let error = outcome.unwrap_err();
                    assert_eq!(error, KeyError::Algorithm { wanted, key: right });
                    assert!(error.to_string().contains(wanted.name()));
                    assert!(error.hint().unwrap().contains(right.name()));
                }
            }
        }
    }
}

#[test]
fn names_of_algorithms_are_exact() {
    for algorithm in Algorithm::ALL {
        assert_eq!(Algorithm::from_name(algorithm.name()), Some(algorithm));
    }
    for other in ["es256", "ES384", "HS256", "none", "EDDSA", ""] {
        assert_eq!(Algorithm::from_name(other), None, "{other}");
    }
}

#[test]
fn a_jwk_names_its_key() {
    let named = EC_JWK.replacen('{', r#"{"kid":"2026-01","alg":"ES256","use":"sig","#, 1);
    assert_eq!(key(&named).kid(), Some("2026-01"));
    assert_eq!(key(EC_JWK).kid(), None);
    assert_eq!(key(&named).public_jwk(), key(EC_JWK).public_jwk());
    let other = EC_JWK.replacen('{', r#"{"alg":"ECDH-ES","#, 1);
    assert_eq!(refused(&other), KeyError::Kind);
    let newer = ED25519_JWK.replacen('{', r#"{"alg":"Ed25519","#, 1);
    assert_eq!(key(&newer), key(ED25519_JWK));
}

#[test]
fn what_is_no_usable_key_is_told_apart() {
    let without = |text: &str, member: &str| {
        let mut jwk: Value = serde_json::from_str(text).unwrap();
        jwk.as_object_mut().unwrap().remove(member);
        jwk.to_string()
    };
    let with = |text: &str, member: &str, value: &str| {
        let mut jwk: Value = serde_json::from_str(text).unwrap();
        jwk[member] = json!(value);
        jwk.to_string()
    };
    let secret = r#"{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ"}"#;
    for (text, expected) in [
        ("", KeyError::NoKey),
        ("no key", KeyError::NoKey),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            KeyError::NoKey,
        ),
        (ENCRYPTED, KeyError::Encrypted),
        (P384_PKCS8, KeyError::Kind),
        (P384_SEC1, KeyError::Kind),
        (RSA_1024, KeyError::Damaged),
        (EC_PKCS8_PRIVATE_HALF, KeyError::NoPublicHalf),
        (EC_SEC1_PRIVATE_HALF, KeyError::NoPublicHalf),
        (secret, KeyError::Kind),
        ("{}", KeyError::Damaged),
        ("{\"kty\":", KeyError::Damaged),
        (&without(EC_JWK, "d"), KeyError::OnlyPublic),
        (&without(RSA_JWK, "d"), KeyError::OnlyPublic),
        (&without(EC_JWK, "y"), KeyError::Damaged),
        (&without(RSA_JWK, "qi"), KeyError::Damaged),
        (&without(ED25519_JWK, "x"), KeyError::Damaged),
        (&with(EC_JWK, "x", "AAAA"), KeyError::Damaged),
        (
            &with(EC_JWK, "d", "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"),
            KeyError::Damaged,
        ),
        (
            &with(
                ED25519_JWK,
                "x",
                "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            ),
            KeyError::Damaged,
        ),
        (&with(EC_JWK, "crv", "secp256k1"), KeyError::Kind),
        (&EC_PKCS8.replace("MIGH", "MIGI"), KeyError::Damaged),
        (&EC_PKCS8.replace("END", "ENDE"), KeyError::Damaged),
    ] {
        let shown: String = text.chars().take(60).collect();
        assert_eq!(refused(text), expected, "{shown}");
    }
}

#[test]
fn one_key_does_not_sign_for_another() {
    // Whatever was signed before on the same thread, and while many sign on many.
    let keys: Vec<SigningKey> = (0..4).map(|_| SigningKey::generate().unwrap()).collect();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for key in keys.iter().chain(&keys) {
                    let token = key.sign(Header::default(), &json!({})).unwrap();
                    verified(&token, &key.public_jwk());
                }
            });
        }
    });
    let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::ES256);
    let unread = jsonwebtoken::encode(&header, &json!({}), &keys[0].0.key);
    assert!(unread.is_err(), "nothing is left of the last one");
}

#[test]
fn numbers_of_any_length_make_a_key_that_ring_takes() {
    // Leading zeros and padding are allowed by nobody and sent by some.
    let mut jwk: Value = serde_json::from_str(RSA_JWK).unwrap();
    let padded = [vec![0, 0], bytes(&jwk["n"])].concat();
    jwk["n"] = json!(BASE64URL.encode(padded));
    jwk["e"] = json!(format!("{}==", jwk["e"].as_str().unwrap()));
    assert_eq!(key(&jwk.to_string()), key(RSA_JWK));
}

#[test]
fn nothing_of_the_private_half_is_printed() {
    for text in [EC_JWK, ED25519_JWK, RSA_JWK] {
        let whole: Value = serde_json::from_str(text).unwrap();
        let private = whole["d"].as_str().unwrap();
        let key = key(text);
        let shown = format!("{key:?} {:?} {:?}", key.kept(), key.0.key);
        assert!(shown.contains(&key.thumbprint()));
        assert!(!shown.contains(private));
        assert!(!shown.contains(&key.kept().expose()[..20]));
    }
}

#[test]
fn a_sec1_key_that_names_no_curve_is_one_on_p256() {
    let jwk: Value = serde_json::from_str(EC_JWK).unwrap();
    let point = [vec![4], bytes(&jwk["x"]), bytes(&jwk["y"])].concat();
    let document = der::sec1(&bytes(&jwk["d"]), &point);
    let pem = format!(
        "-----BEGIN EC PRIVATE KEY-----\n{}\n-----END EC PRIVATE KEY-----\n",
        base64::prelude::BASE64_STANDARD.encode(&document)
    );
    assert_eq!(key(&pem), key(EC_JWK));
}

#[test]
fn keys_of_two_names_are_two() {
    let named = |kid: &str| key(&EC_JWK.replacen('{', &format!("{{\"kid\":\"{kid}\","), 1));
    assert_eq!(named("a"), named("a"));
    assert_ne!(named("a"), named("b"));
    assert_ne!(named("a"), key(EC_JWK));
}

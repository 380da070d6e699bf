//! Who a sign-in belongs to, as its ID token tells (OpenID Connect Core §2, §5.1).
//!
//! The claims are shown to tell sign-ins apart, and decide nothing. The token came straight from the
//! token endpoint, so its signature need not be looked at (§3.1.3.7 point 6), and that it ends says
//! nothing about whose it was. All of it is a server's text.

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Serialize;

use super::document::Object;
use crate::ids::Issuer;
use crate::secret::Secret;
use crate::untrusted::printable;

/// Longest token that is looked into, in bytes; some list every group that a person belongs to.
const LONGEST: usize = 256 * 1024;

/// Longest piece of a claim that is kept, in characters. §2: a `sub` has no more.
const CLAIM: usize = 255;

/// RFC 7515 §2 has no padding; some servers write it all the same.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What an ID token says about a person. What it does not say, or not as text, is `None`. Every
/// text is fit to be shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Account {
    /// The issuer's own name for the person.
    pub sub: Option<String>,
    /// The address of a mailbox.
    pub email: Option<String>,
    /// What the person wants to be called by.
    pub preferred_username: Option<String>,
    /// The full name.
    pub name: Option<String>,
}

impl Account {
    /// Reads an ID token that this issuer gave to this client; `None` if it is none, or one from or
    /// for somebody else, or says nothing.
    pub fn read(id_token: &Secret, issuer: &Issuer, client_id: &str) -> Option<Self> {
        let claims = claims(id_token.expose())?;
        // §3.1.3.7 points 2 to 5.
        if claims.text("iss") != Some(issuer.as_str()) || !is_for(&claims, client_id) {
            return None;
        }
        let claim = |name| {
            let text = claims.text(name).map(|text| printable(text, CLAIM));
            text.filter(|text| !text.is_empty())
        };
        let account = Self {
            sub: claim("sub"),
            email: claim("email"),
            preferred_username: claim("preferred_username"),
            name: claim("name"),
        };
        account.label().is_some().then_some(account)
    }

    /// The claim that a person knows the account by.
    pub fn label(&self) -> Option<&str> {
        let claims = [&self.email, &self.preferred_username, &self.name, &self.sub];
        claims.into_iter().find_map(Option::as_deref)
    }
}

/// When an ID token ends, in seconds since the epoch (OpenID Connect Core §2, `exp`); `None` if it is
/// none, or does not say. `arrived` is when it came from the token endpoint, if it came just now: what
/// ended before that did so by another clock than ours, and lasts as long from now on as it does by
/// that one.
pub fn expires_at(id_token: &Secret, arrived: Option<u64>) -> Option<u64> {
    let claims = claims(id_token.expose())?;
    // RFC 7519 §2: fractions are allowed.
    let seconds = |name| {
        let seconds = claims.get(name)?.as_f64()?;
        (seconds >= 1.0).then_some(seconds as u64)
    };
    let ends = seconds("exp")?;
    let lasts = seconds("iat").and_then(|issued| ends.checked_sub(issued));
    match (arrived, lasts) {
        (Some(now), Some(lasts)) if ends <= now => Some(now.saturating_add(lasts)),
        _ => Some(ends),
    }
}

/// The middle part of a JWT that is signed in whatever way (RFC 7519 §7.2, RFC 7515 §7.1).
fn claims(token: &str) -> Option<Object> {
    if token.len() > LONGEST {
        return None;
    }
    let mut parts = token.split('.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    // Five parts would be encrypted.
    if parts.next().is_some() {
        return None;
    }
    let payload = BASE64.decode(payload).ok()?;
    // RFC 7519 §4: two of a name are refused.
    let unique = [
        "iss",
        "aud",
        "azp",
        "exp",
        "sub",
        "email",
        "preferred_username",
        "name",
    ];
    Object::parse(&payload, &unique).ok()
}

fn is_for(claims: &Object, client_id: &str) -> bool {
    let audience = match claims.text("aud") {
        Some(one) => vec![one.to_owned()],
        None => claims.texts("aud").unwrap_or_default(),
    };
    let authorized = claims.get("azp").is_none() || claims.text("azp") == Some(client_id);
    audience.iter().any(|audience| audience == client_id) && authorized
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::{Value, json};

    use super::*;

    const ISSUER: &str = "https://as.example";
    const CLIENT: &str = "CLIENT_1";

    fn read(token: &str) -> Option<Account> {
        Account::read(&Secret::new(token), &Issuer::new(ISSUER), CLIENT)
    }

    fn token(payload: &[u8]) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(payload))
    }

    /// A token with these claims beside those that make it one for us.
    fn saying(more: Value) -> String {
        let mut claims = json!({ "iss": ISSUER, "aud": CLIENT, "exp": 1, "iat": 1 });
        for (name, value) in more.as_object().expect("an object") {
            claims[name] = value.clone();
        }
        token(claims.to_string().as_bytes())
    }

    fn label(more: Value) -> Option<String> {
        Some(read(&saying(more))?.label()?.to_owned())
    }

    #[test]
    fn the_claims_about_a_person_are_read_and_no_others() {
        let everything = json!({
            "sub": "248289761001", "email": "jane@example.com", "preferred_username": "j.doe",
            "name": "Jane Doe", "nonce": "N", "groups": ["a"], "phone_number": "+1"
        });
        let some = |text: &str| Some(text.to_owned());
        let expected = Account {
            sub: some("248289761001"),
            email: some("jane@example.com"),
            preferred_username: some("j.doe"),
            name: some("Jane Doe"),
        };
        assert_eq!(read(&saying(everything)), Some(expected));
    }

    #[test]
    fn the_best_known_claim_is_the_label() {
        let mut claims = json!({
            "sub": "1", "email": "jane@example.com", "preferred_username": "j.doe", "name": "Jane"
        });
        for (name, expected) in [
            ("email", "jane@example.com"),
            ("preferred_username", "j.doe"),
            ("name", "Jane"),
            ("sub", "1"),
        ] {
            assert_eq!(label(claims.clone()).as_deref(), Some(expected));
            claims.as_object_mut().expect("an object").remove(name);
        }
        assert_eq!(label(claims), None);
    }

    #[test]
    fn a_claim_that_is_no_text_or_empty_is_none() {
        for value in [
            json!(null),
            json!(7),
            json!(true),
            json!(["a@example.com"]),
            json!({ "x": "a@example.com" }),
            json!(""),
            json!(" \u{200b}\n"),
        ] {
            let claims = json!({ "sub": "1", "email": value });
            assert_eq!(label(claims).as_deref(), Some("1"));
        }
        assert_eq!(label(json!({})), None);
        assert_eq!(label(json!({ "sub": 1 })), None);
    }

    #[test]
    fn claims_cannot_draw_on_a_terminal_nor_fill_it() {
        let claims = json!({ "email": "\u{1b}[2Jroot\u{202e}@example.com\nhealth  ok" });
        assert_eq!(
            label(claims).as_deref(),
            Some("[2Jroot@example.com health ok")
        );
        let long = label(json!({ "name": "é".repeat(10_000) })).expect("a name");
        assert_eq!(long.chars().count(), CLAIM + 1);
    }

    #[test]
    fn a_token_from_or_for_somebody_else_says_nothing() {
        let ours = json!({ "sub": "1" });
        assert!(label(ours).is_some());
        for wrong in [
            json!({ "iss": "https://as.example/" }),
            json!({ "iss": "https://evil.example" }),
            json!({ "iss": null }),
            json!({ "iss": [ISSUER] }),
            json!({ "aud": "CLIENT_2" }),
            json!({ "aud": "client_1" }),
            json!({ "aud": [] }),
            json!({ "aud": ["CLIENT_2", 7] }),
            json!({ "aud": null }),
            json!({ "aud": { CLIENT: CLIENT } }),
            json!({ "azp": "CLIENT_2" }),
            json!({ "azp": 7 }),
            json!({ "aud": [CLIENT, "CLIENT_2"], "azp": "CLIENT_2" }),
        ] {
            let mut claims = json!({ "sub": "1" });
            for (name, value) in wrong.as_object().expect("an object") {
                claims[name] = value.clone();
            }
            assert_eq!(label(claims), None, "{wrong}");
        }
    }

    #[test]
    fn several_audiences_may_include_us() {
        for fine in [
            json!({ "aud": [CLIENT] }),
            json!({ "aud": ["https://api.example", CLIENT] }),
            json!({ "aud": [CLIENT, "CLIENT_2"], "azp": CLIENT }),
            json!({ "azp": CLIENT }),
            json!({ "azp": null }),
        ] {
            let mut claims = fine.clone();
            claims["sub"] = "1".into();
            assert!(label(claims).is_some(), "{fine}");
        }
    }

    #[test]
    fn garbage_is_no_account() {
        let payload = br#"{"iss":"https://as.example","aud":"CLIENT_1","sub":"1"}"#;
        let good = token(payload);
        assert!(read(&good).is_some());
        let [head, body, signature] = good.split('.').collect::<Vec<_>>()[..] else {
            panic!("{good}");
        };
        for bad in [
            String::new(),
            ".".to_owned(),
            "..".to_owned(),
            "opaque".to_owned(),
            "a.b.c".to_owned(),
            format!("{head}.{body}"),
            format!("{good}.x"),
            format!("{good}.x.y"),
            format!("{head}.{body}!.{signature}"),
            format!("{head}. {body}.{signature}"),
            format!("{head}.{}.{signature}", &body[..body.len() - 2]),
            token(b""),
            token(b"null"),
            token(b"[]"),
            token(b"\"text\""),
            token(b"\xff\xfe"),
            token(&payload[..payload.len() - 1]),
            token(&[&payload[..], b"{}"].concat()),
            token(br#"{"iss":"https://as.example","aud":"CLIENT_1","sub":"1","sub":"2"}"#),
            token(br#"{"iss":"https://evil.example","iss":"https://as.example","aud":"CLIENT_1","sub":"1"}"#),
            token("[".repeat(100_000).as_bytes()),
        ] {
            assert_eq!(read(&bad), None, "{}", &bad[..bad.len().min(80)]);
        }
        let mut fat = json!({ "iss": ISSUER, "aud": CLIENT, "sub": "1" });
        fat["groups"] = "x".repeat(LONGEST).into();
        assert_eq!(read(&token(fat.to_string().as_bytes())), None);
    }

    #[test]
    fn it_ends_when_it_says_so_unless_the_clocks_differ() {
        let end = |claims: Value, arrived| {
            let token = Secret::new(token(claims.to_string().as_bytes()));
            expires_at(&token, arrived)
        };
        let hour = || json!({ "iat": 10_000, "exp": 13_600.5 });
        for arrived in [None, Some(10_000), Some(13_599), Some(1)] {
            assert_eq!(end(hour(), arrived), Some(13_600), "{arrived:?}");
        }
        assert_eq!(end(hour(), Some(13_600)), Some(17_200));
        assert_eq!(end(hour(), Some(99_000)), Some(102_600));
        assert_eq!(end(hour(), Some(u64::MAX)), Some(u64::MAX));
        // What does not say when it was issued, or nonsense, is taken at its word.
        for claims in [
            json!({ "exp": 13_600 }),
            json!({ "exp": 13_600, "iat": "x" }),
            json!({ "exp": 13_600, "iat": 20_000 }),
        ] {
            assert_eq!(end(claims, Some(99_000)), Some(13_600));
        }
        for claims in [json!({}), json!({ "exp": "1" }), json!({ "exp": -5 })] {
            assert_eq!(end(claims, Some(1)), None);
        }
    }

    #[test]
    fn padding_does_no_harm_and_a_signature_is_not_looked_at() {
        let payload = br#"{"iss":"https://as.example","aud":"CLIENT_1","sub":"12"}"#;
        let padded = base64::engine::general_purpose::URL_SAFE.encode(payload);
        assert!(padded.ends_with('='), "{padded}");
        for token in [format!("e30.{padded}.c2ln"), format!("!.{padded}.")] {
            assert!(read(&token).is_some(), "{token}");
        }
    }
}

//! Assertions that a client signs to prove who it is (RFC 7521 §4.2, RFC 7523 §2.2): what they
//! claim. Signing is the rim's.

use serde_json::{Value, json};
use url::Url;

use crate::ids::Issuer;
use crate::jwt::{Header, SigningKey};

/// `client_assertion_type` (RFC 7523 §2.2).
pub const CLIENT_ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// How long an assertion can be used, in seconds. Servers allow five minutes, counted by their own
/// clock, which may be behind ours.
const LIFETIME: u64 = 240;

/// Whom an assertion is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Audience {
    /// The authorization server, by its issuer identifier exactly as its metadata has it. MCP
    /// extension OAuth Client Credentials, and the revision of RFC 7523 that closes its gap.
    #[default]
    Issuer,
    /// The token endpoint, as RFC 7523 §3 has it, for servers that know nothing newer.
    TokenEndpoint,
}

/// What the user gave to sign assertions with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssertionKey {
    /// The private key.
    pub key: SigningKey,
    /// What the server calls the key, if it has several of this client's.
    pub kid: Option<String>,
    /// Whom the assertions are for.
    pub audience: Audience,
}

impl AssertionKey {
    /// How a client proves itself to this authorization server.
    pub fn at(&self, issuer: &Issuer, token_endpoint: &Url) -> Assertion {
        Assertion {
            key: self.key.clone(),
            kid: self.kid.clone(),
            audience: match self.audience {
                Audience::Issuer => issuer.as_str().to_owned(),
                Audience::TokenEndpoint => token_endpoint.as_str().to_owned(),
            },
        }
    }
}

/// How a client proves itself to one authorization server: a new assertion for each request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assertion {
    /// What signs it.
    pub key: SigningKey,
    kid: Option<String>,
    audience: String,
}

impl Assertion {
    /// The header of a new one.
    pub fn header(&self) -> Header {
        Header {
            typ: Some("JWT"),
            kid: self.kid.clone(),
            jwk: false,
        }
    }

    /// What a new one claims, made `now` in seconds since the epoch. `jti` must not have been used
    /// before.
    ///
    /// The audience is a text and no list: a list that names several servers would let one use the
    /// assertion at the other.
    pub fn claims(&self, client_id: &str, now: u64, jti: &str) -> Value {
        json!({
            "iss": client_id,
            "sub": client_id,
            "aud": self.audience,
            "iat": now,
            "exp": now.saturating_add(LIFETIME),
            "jti": jti,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(audience: Audience) -> AssertionKey {
        AssertionKey {
            key: SigningKey::generate().unwrap(),
            kid: Some("key-1".to_owned()),
            audience,
        }
    }

    fn token_endpoint() -> Url {
        Url::parse("https://as.example/oauth/token").unwrap()
    }

    #[test]
    fn an_assertion_claims_what_rfc_7523_asks_and_no_more() {
        // The slash at the end is the issuer's own.
        let issuer = Issuer::new("https://as.example/");
        let assertion = key(Audience::Issuer).at(&issuer, &token_endpoint());
        let claims = assertion.claims("client-1", 1_700_000_000, "random-1");
        let expected = json!({
            "iss": "client-1",
            "sub": "client-1",
            "aud": "https://as.example/",
            "iat": 1_700_000_000u64,
            "exp": 1_700_000_240u64,
            "jti": "random-1",
        });
        assert_eq!(claims, expected);
        let header = assertion.header();
        assert_eq!(
            (header.typ, header.kid.as_deref()),
            (Some("JWT"), Some("key-1"))
        );
        assert!(!header.jwk);
    }

    #[test]
    fn an_older_server_is_named_by_its_token_endpoint() {
        let issuer = Issuer::new("https://as.example");
        let assertion = key(Audience::TokenEndpoint).at(&issuer, &token_endpoint());
        let claims = assertion.claims("client-1", 0, "random-1");
        assert_eq!(claims["aud"], "https://as.example/oauth/token");
    }

    #[test]
    fn no_assertion_lives_longer_than_five_minutes() {
        let issuer = Issuer::new("https://as.example");
        let assertion = key(Audience::Issuer).at(&issuer, &token_endpoint());
        for now in [0, 1_700_000_000, u64::MAX] {
            let claims = assertion.claims("client-1", now, "random-1");
            let lifetime = claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap();
            assert!(lifetime <= 300, "{lifetime}");
        }
    }
}

//! Tokens: what a grant consists of and when it is due for a refresh (RFC 6749 §5.1, §6). What
//! passes between us and the token endpoint is in [`super::token_endpoint`].

use std::fmt;
use std::time::Duration;

use super::credential::Credential;
use super::dpop::{self, Binding, ProofKey};
use super::id_token;
use super::mode::AuthMode;
use crate::ids::{Issuer, ResourceId};
use crate::secret::Secret;
use crate::untrusted::printable;

pub use super::token_endpoint::{
    Effect, GrantRequest, Outage, OutageCause, Refusal, TokenError, TokenRequest,
};

/// The tokens of one grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSet {
    /// Sent to the remote server as `Authorization: Bearer`.
    pub access_token: Secret,
    /// Spent at the token endpoint for the next access token; absent where none was issued.
    pub refresh_token: Option<Secret>,
    /// The `token_type` as the server wrote it.
    pub token_type: String,
    /// When the access token ends, in seconds since the epoch; `None` if the server did not say.
    pub expires_at: Option<u64>,
    /// The scopes that were granted; empty if the server did not say.
    pub scopes: Vec<String>,
    /// The OpenID Connect ID token, where one was issued.
    pub id_token: Option<Secret>,
    /// The key that we proved to have when we asked for them. If `token_type` is `DPoP`, the access
    /// token is bound to it (RFC 9449 §6); the refresh token may be in any case (§5).
    pub proof_key: Option<ProofKey>,
}

/// Why an answer of the token endpoint, although successful, holds no token to use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnusableToken {
    /// `token_type` is neither `Bearer` nor the `DPoP` that was asked for (RFC 6749 §7.1: do not use a
    /// type that is not understood).
    Type(String),
    /// It is a bearer token where only one that is bound to a key is of use (RFC 9449 §5).
    NotBound,
    /// The token cannot stand in a header field.
    Characters,
    /// There is no ID token, which is to be sent in its place.
    NoIdToken,
}

impl fmt::Display for UnusableToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Type(kind) => write!(f, "it issued a token of the type `{kind}`, not `Bearer`"),
            Self::NotBound => f.write_str(
                "it issued a bearer token, where one that is bound to a key (DPoP, RFC 9449 §5) is required",
            ),
            Self::NoIdToken => f.write_str(
                "it issued no ID token that could be sent in place of the access token, as `--use-id-token` wants it",
            ),
            Self::Characters => {
                f.write_str("it issued a token with characters that no header can carry")
            }
        }
    }
}

impl TokenSet {
    /// The tokens with the ID token in place of the access token: it ends when it says so itself
    /// (OpenID Connect Core §2), and is bound to no key. `arrived` is when it came, in seconds since
    /// the epoch, if it came just now.
    pub fn with_id_token(mut self, arrived: Option<u64>) -> Result<Self, UnusableToken> {
        let id_token = self.id_token.clone().ok_or(UnusableToken::NoIdToken)?;
        let ends = id_token::expires_at(&id_token, arrived).ok_or(UnusableToken::NoIdToken)?;
        if !fits_header(&id_token) {
            return Err(UnusableToken::Characters);
        }
        self.access_token = id_token;
        self.expires_at = Some(ends);
        self.token_type = "Bearer".to_owned();
        self.proof_key = None;
        Ok(self)
    }

    /// Whether the access token is bound to a key.
    pub fn is_bound(&self) -> bool {
        // RFC 6749 §5.1: the type is compared without regard to case.
        self.token_type.eq_ignore_ascii_case(dpop::SCHEME)
    }

    /// The tokens, which were asked for with this binding, if they can be used.
    pub fn checked(mut self, binding: Option<&Binding>) -> Result<Self, UnusableToken> {
        let is_bearer = self.token_type.eq_ignore_ascii_case("bearer");
        match binding {
            Some(binding) if is_bearer && binding.required => return Err(UnusableToken::NotBound),
            Some(_) if self.is_bound() => {}
            _ if is_bearer => {}
            _ => return Err(UnusableToken::Type(printable(&self.token_type, 40))),
        }
        self.proof_key = binding.map(|binding| binding.key.clone());
        match fits_header(&self.access_token) {
            true => Ok(self),
            false => Err(UnusableToken::Characters),
        }
    }
}

/// RFC 6749 appendix A.12: one or more visible characters or blanks; a blank at either end would be
/// lost on the way.
fn fits_header(token: &Secret) -> bool {
    let token = token.expose();
    let plain = token.bytes().all(|byte| matches!(byte, 0x20..=0x7e));
    !token.is_empty() && plain && token.trim() == token
}

/// A grant: tokens, who issued them, and what for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The authorization server that issued the tokens; they are never shown to another.
    pub issuer: Issuer,
    /// The `resource` that was asked for; `None` if none was sent.
    pub resource: Option<ResourceId>,
    /// The tokens.
    pub tokens: TokenSet,
    /// The scopes that were asked for, which a step-up adds to.
    pub requested_scopes: Vec<String>,
    /// When a person consented, in seconds since the epoch.
    pub granted_at: u64,
    /// When the tokens were last refreshed, in seconds since the epoch.
    pub refreshed_at: Option<u64>,
    /// In which way it was obtained.
    pub mode: AuthMode,
}

/// How an access token stands at a given moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// Use it.
    Fresh,
    /// It still works, but it is time to refresh it.
    Due,
    /// It has ended.
    Expired,
}

/// A token is refreshed this long before it ends …
const REFRESH_AHEAD: Duration = Duration::from_secs(300);
/// … or when this share of its lifetime is left, whichever is shorter.
const REFRESH_SHARE: u32 = 5;

impl Grant {
    /// A grant from the first answer of the token endpoint. RFC 6749 §5.1: a missing `scope` says
    /// that what was asked for was granted.
    pub fn new(
        issuer: Issuer,
        resource: Option<ResourceId>,
        requested_scopes: Vec<String>,
        mut tokens: TokenSet,
        now: u64,
    ) -> Self {
        if tokens.scopes.is_empty() {
            tokens.scopes.clone_from(&requested_scopes);
        }
        Self {
            issuer,
            resource,
            tokens,
            requested_scopes,
            granted_at: now,
            refreshed_at: None,
            mode: AuthMode::OAuth,
        }
    }

    /// The grant after a refresh. RFC 6749 §6: what the answer leaves out stays as it was.
    pub fn refreshed(&self, mut tokens: TokenSet, now: u64) -> Self {
        if tokens.refresh_token.is_none() {
            tokens.refresh_token.clone_from(&self.tokens.refresh_token);
        }
        if tokens.scopes.is_empty() {
            tokens.scopes.clone_from(&self.tokens.scopes);
        }
        if tokens.id_token.is_none() {
            tokens.id_token.clone_from(&self.tokens.id_token);
        }
        Self {
            tokens,
            refreshed_at: Some(now),
            ..self.clone()
        }
    }

    /// What is sent to the MCP server for this grant.
    pub fn credential(&self) -> Credential {
        let token = self.tokens.access_token.clone();
        match &self.tokens.proof_key {
            Some(key) if self.tokens.is_bound() => Credential::bound(token, key.clone()),
            _ => Credential::bearer(token),
        }
    }

    /// When the access token was issued, in seconds since the epoch.
    pub fn issued_at(&self) -> u64 {
        self.refreshed_at.unwrap_or(self.granted_at)
    }

    /// How long the access token is good for from `now` on; `None` if the server named no end. One
    /// that was issued later than now, as the clock was set back, counts as new: its age is not
    /// known, but it cannot last longer than that.
    pub fn remaining(&self, now: u64) -> Option<Duration> {
        let age = Duration::from_secs(now.saturating_sub(self.issued_at()));
        Some(self.lifetime()?.saturating_sub(age))
    }

    /// How long before its end the access token is to be refreshed; `None` if the server named no
    /// end.
    pub fn margin(&self) -> Option<Duration> {
        Some((self.lifetime()? / REFRESH_SHARE).min(REFRESH_AHEAD))
    }

    /// How the access token stands. Without a known end it counts as fresh: the server says when
    /// it is not (401).
    pub fn freshness(&self, now: u64) -> Freshness {
        match (self.tokens.expires_at, self.due_at()) {
            (Some(expires_at), _) if now >= expires_at => Freshness::Expired,
            (_, Some(due_at)) if now >= due_at => Freshness::Due,
            _ => Freshness::Fresh,
        }
    }

    fn due_at(&self) -> Option<u64> {
        Some(self.tokens.expires_at? - self.margin()?.as_secs())
    }

    fn lifetime(&self) -> Option<Duration> {
        let lifetime = self.tokens.expires_at?.saturating_sub(self.issued_at());
        Some(Duration::from_secs(lifetime))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(expires_at: Option<u64>) -> TokenSet {
        TokenSet {
            access_token: Secret::new("ACCESS_TOKEN_1"),
            refresh_token: Some(Secret::new("REFRESH_TOKEN_1")),
            token_type: "Bearer".to_owned(),
            expires_at,
            scopes: vec!["read".to_owned()],
            id_token: None,
            proof_key: None,
        }
    }

    fn grant(expires_at: Option<u64>) -> Grant {
        let issuer = Issuer::new("https://as.example");
        Grant::new(
            issuer,
            None,
            vec!["read".to_owned()],
            tokens(expires_at),
            1000,
        )
    }

    #[test]
    fn a_long_lived_token_is_due_five_minutes_before_its_end() {
        let grant = grant(Some(1000 + 3600));
        assert_eq!(grant.margin(), Some(Duration::from_secs(300)));
        assert_eq!(grant.freshness(4299), Freshness::Fresh);
        assert_eq!(grant.freshness(4300), Freshness::Due);
        assert_eq!(grant.freshness(4599), Freshness::Due);
        assert_eq!(grant.freshness(4600), Freshness::Expired);
    }

    #[test]
    fn a_short_lived_token_is_due_when_a_fifth_is_left() {
        let grant = grant(Some(1000 + 60));
        assert_eq!(grant.margin(), Some(Duration::from_secs(12)));
        assert_eq!(grant.freshness(1047), Freshness::Fresh);
        assert_eq!(grant.freshness(1048), Freshness::Due);
    }

    #[test]
    fn the_lifetime_counts_from_the_last_refresh() {
        let grant = grant(Some(4600)).refreshed(tokens(Some(9100)), 9000);
        assert_eq!(grant.freshness(9079), Freshness::Fresh);
        assert_eq!(grant.freshness(9080), Freshness::Due);
        assert_eq!((grant.granted_at, grant.refreshed_at), (1000, Some(9000)));
    }

    #[test]
    fn a_token_without_a_named_end_is_fresh_until_refused() {
        assert_eq!(grant(None).freshness(u64::MAX), Freshness::Fresh);
        assert_eq!(
            (grant(None).margin(), grant(None).remaining(5000)),
            (None, None)
        );
    }

    #[test]
    fn a_token_that_ends_as_it_comes_is_expired() {
        assert_eq!(grant(Some(1000)).freshness(1000), Freshness::Expired);
        assert_eq!(grant(Some(10)).freshness(1000), Freshness::Expired);
    }

    #[test]
    fn what_remains_of_a_token_is_counted_from_its_issue() {
        let grant = grant(Some(1000 + 3600));
        let remaining = |now| grant.remaining(now).map(|left| left.as_secs());
        assert_eq!(remaining(1000), Some(3600));
        assert_eq!(remaining(4500), Some(100));
        assert_eq!(remaining(4600), Some(0));
        assert_eq!(remaining(u64::MAX), Some(0));
        // The clock was set back.
        assert_eq!(remaining(0), Some(3600));
    }

    #[test]
    fn a_refresh_keeps_what_the_answer_leaves_out() {
        let mut before = grant(Some(4600));
        before.tokens.id_token = Some(Secret::new("ID_TOKEN_1"));
        let mut answer = tokens(Some(9000));
        answer.access_token = Secret::new("ACCESS_TOKEN_2");
        answer.refresh_token = None;
        answer.scopes.clear();
        let after = before.refreshed(answer, 5000);
        assert_eq!(after.tokens.access_token, Secret::new("ACCESS_TOKEN_2"));
        assert_eq!(after.tokens.refresh_token, before.tokens.refresh_token);
        assert_eq!(after.tokens.scopes, before.tokens.scopes);
        assert_eq!(after.tokens.id_token, before.tokens.id_token);
    }

    #[test]
    fn a_refresh_takes_over_what_the_answer_brings() {
        let mut answer = tokens(None);
        answer.refresh_token = Some(Secret::new("REFRESH_TOKEN_2"));
        answer.scopes = vec!["write".to_owned()];
        let after = grant(Some(4600)).refreshed(answer.clone(), 5000);
        assert_eq!(after.tokens, answer);
    }

    #[test]
    fn a_missing_scope_means_what_was_requested() {
        let mut answer = tokens(None);
        answer.scopes.clear();
        let asked = vec!["a".to_owned(), "b".to_owned()];
        let grant = Grant::new(
            Issuer::new("https://as.example"),
            None,
            asked.clone(),
            answer,
            1,
        );
        assert_eq!(grant.tokens.scopes, asked);
    }

    #[test]
    fn only_bearer_tokens_that_fit_a_header_are_used() {
        let mut set = tokens(None);
        set.token_type = "bEARER".to_owned();
        assert_eq!(set.clone().checked(None), Ok(set.clone()));
        set.token_type = "mac".to_owned();
        let unknown = UnusableToken::Type("mac".to_owned());
        assert_eq!(set.clone().checked(None), Err(unknown));
        set.token_type = "Bearer".to_owned();
        for token in ["", "a\r\nX: y", "a\u{e9}", " a", "a "] {
            set.access_token = Secret::new(token);
            let checked = set.clone().checked(None);
            assert_eq!(checked, Err(UnusableToken::Characters), "{token:?}");
        }
    }

    #[test]
    fn a_bound_token_is_taken_only_where_it_was_asked_for() {
        let key = ProofKey::generate().unwrap();
        let binding = |required| Binding {
            key: key.clone(),
            required,
        };
        let of_type = |kind: &str| TokenSet {
            token_type: kind.to_owned(),
            ..tokens(None)
        };
        let bound = of_type("dpop").checked(Some(&binding(true))).unwrap();
        assert_eq!(bound.proof_key, Some(key.clone()));
        let unknown = Err(UnusableToken::Type("DPoP".to_owned()));
        assert_eq!(of_type("DPoP").checked(None), unknown);
        let lax = of_type("Bearer").checked(Some(&binding(false))).unwrap();
        assert!(!lax.is_bound() && lax.proof_key == Some(key.clone()));
        let strict = of_type("Bearer").checked(Some(&binding(true)));
        assert_eq!(strict, Err(UnusableToken::NotBound));
        let unusable = TokenSet {
            access_token: Secret::new("a b\n"),
            ..of_type("DPoP")
        };
        let checked = unusable.checked(Some(&binding(true)));
        assert_eq!(checked, Err(UnusableToken::Characters));
    }

    #[test]
    fn a_token_is_shown_as_its_type_says() {
        let key = ProofKey::generate().unwrap();
        let with = |kind: &str, proof_key| {
            let mut grant = grant(None);
            grant.tokens.token_type = kind.to_owned();
            grant.tokens.proof_key = proof_key;
            grant.credential()
        };
        let token = tokens(None).access_token;
        let bound = Credential::bound(token.clone(), key.clone());
        assert_eq!(with("DPOP", Some(key.clone())), bound);
        let bearer = Credential::bearer(token);
        assert_eq!(with("Bearer", Some(key)), bearer);
        assert_eq!(with("bearer", None), bearer);
        assert!(bound.is_bound() && !bearer.is_bound());
    }
}

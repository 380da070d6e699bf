//! Which scopes to ask for, and when asking again is pointless (RFC 6749 §3.3; MCP 2025-11-25,
//! Authorization, Scope Selection Strategy and Step-Up Authorization Flow).

use url::Url;

use super::token_endpoint::Refusal;
use crate::secret::Secret;

/// RFC 6749 §3.3: a scope token consists of visible ASCII without `"` and `\`.
pub fn is_scope_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}

/// The scope tokens of a `scope` value, in order and each once, and what was no scope token.
pub fn split(text: &str) -> (Vec<String>, Vec<String>) {
    let (mut scopes, mut dropped) = (Vec::new(), Vec::new());
    // The grammar has single blanks between tokens; other white space is taken too.
    for token in text.split_ascii_whitespace() {
        let list = match is_scope_token(token) {
            true => &mut scopes,
            false => &mut dropped,
        };
        if !list.iter().any(|known| known == token) {
            list.push(token.to_owned());
        }
    }
    (scopes, dropped)
}

/// Where the scopes of an authorization request may come from.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sources<'a> {
    /// What the user asked for; it outranks the rest.
    pub configured: Option<&'a [String]>,
    /// `scope` of the challenge.
    pub challenge: Option<&'a [String]>,
    /// `scopes_supported` of the resource.
    pub resource: Option<&'a [String]>,
    /// `scopes_supported` of the authorization server; only asked for `offline_access`.
    pub authorization_server: Option<&'a [String]>,
}

/// OpenID Connect Core §11: asks for a refresh token that outlives the browser session.
pub const OFFLINE_ACCESS: &str = "offline_access";

impl Sources<'_> {
    /// What to ask for at first: configured, else challenged, else all the resource lists, else
    /// nothing. `offline_access` joins where the authorization server lists it, unless the user
    /// said what to ask for.
    pub fn initial(&self) -> Vec<String> {
        if let Some(configured) = self.configured {
            return union([configured]);
        }
        union([self.wanted().as_slice(), self.offline_access()])
    }

    /// What to ask for when the server said that the token lacks a scope (RFC 6750 §3.1,
    /// `insufficient_scope`): everything asked for or granted so far, and what it named. Where it
    /// named nothing, what the resource lists.
    pub fn step_up(&self, requested: &[String], granted: &[String]) -> Vec<String> {
        let wanted = self.wanted();
        union([requested, granted, &wanted, self.offline_access()])
    }

    /// What to ask for after `invalid_scope`: only what the challenge named, if that is less.
    pub fn narrowed(&self, refused: &[String]) -> Option<Vec<String>> {
        if self.configured.is_some() {
            return None;
        }
        let fewer = union([self.challenge.unwrap_or_default()]);
        (fewer.len() < refused.len()).then_some(fewer)
    }

    /// What the resource asks for. It has no say in refresh tokens (MCP 2026-07-28, Refresh Tokens).
    fn wanted(&self) -> Vec<String> {
        let mut wanted = union([self.challenge.or(self.resource).unwrap_or_default()]);
        wanted.retain(|scope| scope != OFFLINE_ACCESS);
        wanted
    }

    /// `offline_access`, if the authorization server lists it; one that does not may refuse a
    /// whole request over it.
    fn offline_access(&self) -> &[String] {
        let listed = self.authorization_server.unwrap_or_default();
        match listed.iter().position(|scope| scope == OFFLINE_ACCESS) {
            Some(at) => &listed[at..=at],
            None => &[],
        }
    }
}

/// All scopes of the lists, in order, each once.
pub fn union<'a>(lists: impl IntoIterator<Item = &'a [String]>) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for scope in lists.into_iter().flatten() {
        if !all.contains(scope) {
            all.push(scope.clone());
        }
    }
    all
}

/// Those of `wanted` that `held` lacks.
pub fn missing(wanted: &[String], held: &[String]) -> Vec<String> {
    let lacks = |scope: &&String| !held.contains(scope);
    wanted.iter().filter(lacks).cloned().collect()
}

/// How many times a browser may be opened for one server within [`WINDOW`].
const ATTEMPTS: usize = 3;
/// The time over which attempts are counted, in seconds.
const WINDOW: u64 = 600;

/// How long a token that was refreshed because of a refusal counts as new, in seconds. Much later
/// it may be refused for a reason that a refresh mends.
const JUST_REFRESHED: u64 = 60;

/// What was tried for one server in this process, so that a server that is never content does not
/// open one browser tab after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    attempts: Vec<u64>,
    declined: Vec<Vec<String>>,
    /// The token that came in place of a refused one, and when.
    replacement: Option<(Secret, u64)>,
    /// What was handed in for a token and refused, why, and when.
    refused: Option<(Secret, Refusal, u64)>,
    /// The grant that a refresh brought no ID token for, by the moment it was given.
    without_id_token: Option<u64>,
    /// The token endpoints of identity providers that take no `resource`.
    without_resource: Vec<Url>,
}

impl History {
    /// Whether a browser may be opened at `now`, in seconds since the epoch.
    pub fn allows(&self, now: u64) -> bool {
        self.recent(now) < ATTEMPTS
    }

    /// Notes that a browser was opened.
    pub fn opened(&mut self, now: u64) {
        self.attempts.retain(|&at| is_recent(at, now));
        self.attempts.push(now);
    }

    /// Notes that these scopes were asked for and not given.
    pub fn declined(&mut self, scopes: &[String]) {
        let mut scopes = scopes.to_vec();
        scopes.sort();
        if !self.declined.contains(&scopes) {
            self.declined.push(scopes);
        }
    }

    /// Whether these scopes were asked for and not given before.
    pub fn was_declined(&self, scopes: &[String]) -> bool {
        let mut scopes = scopes.to_vec();
        scopes.sort();
        self.declined.contains(&scopes)
    }

    /// Notes that a refresh, at `now`, put this access token in the place of one that was refused.
    pub fn replaced(&mut self, token: Secret, now: u64) {
        self.replacement = Some((token, now));
    }

    /// Whether this access token came in the place of a refused one a moment ago. If it is refused
    /// as well, another refresh would only go round in circles.
    pub fn is_replacement(&self, token: &Secret, now: u64) -> bool {
        let same = |(replacement, _): &&(Secret, u64)| replacement == token;
        // One that came later than now is of unknown age, as the clock was set back.
        let age = |(_, at): &(Secret, u64)| now.checked_sub(*at);
        let recent =
            |replacement: &(Secret, u64)| age(replacement).is_some_and(|age| age < JUST_REFRESHED);
        self.replacement.as_ref().filter(same).is_some_and(recent)
    }

    /// Notes that this was handed in for a token at `now`, and why it was refused.
    pub fn assertion_refused(&mut self, assertion: Secret, refusal: Refusal, now: u64) {
        self.refused = Some((assertion, refusal, now));
    }

    /// Why this was refused when it was handed in for a token, if that was lately: what it says is
    /// the same the next time. After a while what the server makes of it may have changed.
    pub fn refused(&self, assertion: &Secret, now: u64) -> Option<&Refusal> {
        let (refused, refusal, at) = self.refused.as_ref()?;
        (refused == assertion && is_recent(*at, now)).then_some(refusal)
    }

    /// Notes that a refresh of the grant of this moment brought no ID token.
    pub fn id_token_missed(&mut self, granted_at: u64) {
        self.without_id_token = Some(granted_at);
    }

    /// Whether a refresh of the grant of this moment brought no ID token. The next would not either.
    pub fn misses_id_token(&self, granted_at: u64) -> bool {
        self.without_id_token == Some(granted_at)
    }

    /// Notes that an identity provider refused a `resource` at this endpoint.
    pub fn resource_refused(&mut self, endpoint: Url) {
        if !self.refuses_resource(&endpoint) {
            self.without_resource.push(endpoint);
        }
    }

    /// Whether an identity provider takes no `resource` at this endpoint.
    pub fn refuses_resource(&self, endpoint: &Url) -> bool {
        self.without_resource.contains(endpoint)
    }

    fn recent(&self, now: u64) -> usize {
        let recent = |at: &&u64| is_recent(**at, now);
        self.attempts.iter().filter(recent).count()
    }
}

/// What lies later than now was before the clock was set back; nobody knows how long before.
fn is_recent(at: u64, now: u64) -> bool {
    now.checked_sub(at).is_some_and(|age| age < WINDOW)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Vec<String> {
        split(text).0
    }

    #[test]
    fn only_visible_ascii_without_quote_and_backslash_is_a_scope_token() {
        for token in ["a", "mcp:read", "https://x.example/a.b", "!#[]~"] {
            assert!(is_scope_token(token), "{token}");
        }
        for token in ["", "a b", "a\"", "a\\", "\u{e9}", "a\u{7f}", "a\n"] {
            assert!(!is_scope_token(token), "{token:?}");
        }
    }

    #[test]
    fn splitting_keeps_order_drops_repetitions_and_reports_the_rest() {
        let (scopes, dropped) = split("  b  a b \u{e9} a\" c\t");
        assert_eq!(scopes, ["b", "a", "c"]);
        assert_eq!(dropped, ["\u{e9}", "a\""]);
    }

    #[test]
    fn the_first_scopes_come_from_the_highest_source() {
        let (configured, challenge, resource, server) =
            (list("c"), list("h"), list("r1 r2"), list("s"));
        let mut sources = Sources {
            configured: Some(&configured),
            challenge: Some(&challenge),
            resource: Some(&resource),
            authorization_server: Some(&server),
        };
        assert_eq!(sources.initial(), ["c"]);
        sources.configured = None;
        assert_eq!(sources.initial(), ["h"]);
        sources.challenge = None;
        assert_eq!(sources.initial(), ["r1", "r2"]);
        sources.resource = None;
        assert!(sources.initial().is_empty());
    }

    #[test]
    fn offline_access_joins_only_where_the_authorization_server_lists_it() {
        let (challenge, resource) = (list("h"), list("r offline_access"));
        let offline = list("openid offline_access");
        let with = |server| Sources {
            challenge: Some(&challenge),
            authorization_server: server,
            ..Sources::default()
        };
        assert_eq!(with(Some(&offline)).initial(), ["h", "offline_access"]);
        assert_eq!(with(Some(&challenge)).initial(), ["h"]);
        assert_eq!(with(None).initial(), ["h"]);
        let only_resource = Sources {
            resource: Some(&resource),
            ..Sources::default()
        };
        assert_eq!(only_resource.initial(), ["r"]);
        assert_eq!(
            only_resource.step_up(&offline, &[]),
            ["openid", "offline_access", "r"]
        );
        let configured = Sources {
            configured: Some(&challenge),
            ..with(Some(&offline))
        };
        assert_eq!(configured.initial(), ["h"]);
    }

    #[test]
    fn a_step_up_asks_for_the_union() {
        let challenge = list("write read");
        let sources = Sources {
            challenge: Some(&challenge),
            ..Sources::default()
        };
        assert_eq!(
            sources.step_up(&list("read"), &list("read profile")),
            ["read", "profile", "write"]
        );
    }

    #[test]
    fn a_step_up_that_names_nothing_asks_for_what_the_resource_lists() {
        let resource = list("a b");
        let sources = Sources {
            resource: Some(&resource),
            ..Sources::default()
        };
        assert_eq!(sources.step_up(&list("c"), &[]), ["c", "a", "b"]);
    }

    #[test]
    fn a_refused_set_is_narrowed_to_the_challenge_once() {
        let (challenge, resource) = (list("a"), list("a b c"));
        let sources = Sources {
            challenge: Some(&challenge),
            resource: Some(&resource),
            ..Sources::default()
        };
        assert_eq!(sources.narrowed(&list("a offline_access")), Some(list("a")));
        assert_eq!(sources.narrowed(&list("a")), None);
        let sources = Sources {
            configured: Some(&resource),
            ..sources
        };
        assert_eq!(sources.narrowed(&resource), None);
    }

    #[test]
    fn three_browsers_within_ten_minutes_and_no_more() {
        let mut history = History::default();
        for now in [0, 100, 200] {
            assert!(history.allows(now));
            history.opened(now);
        }
        assert!(!history.allows(599));
        assert!(history.allows(600));
        history.opened(600);
        assert!(!history.allows(650));
        // The clock was set back: what was tried when is not known any more.
        assert!(history.allows(50));
    }

    #[test]
    fn what_was_refused_is_known_for_ten_minutes_and_nothing_else_is() {
        let (handed_in, other) = (Secret::new("JWT_1"), Secret::new("JWT_2"));
        let mut history = History::default();
        history.assertion_refused(handed_in.clone(), Refusal::default(), 1000);
        for (now, known) in [(999, false), (1000, true), (1599, true), (1600, false)] {
            assert_eq!(history.refused(&handed_in, now).is_some(), known, "{now}");
            assert_eq!(history.refused(&other, now), None, "{now}");
        }
    }

    #[test]
    fn a_declined_set_is_remembered_in_any_order() {
        let mut history = History::default();
        history.declined(&list("a b"));
        assert!(history.was_declined(&list("b a")));
        assert!(!history.was_declined(&list("b a c")));
    }
}

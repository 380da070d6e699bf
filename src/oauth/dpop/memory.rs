//! What servers said about proofs: the nonce they want to see (RFC 9449 §8, §9), and that their
//! clock is another than ours.

use std::collections::HashMap;
use std::fmt;

use url::{Origin, Url};

/// How far a clock may be off, in seconds, before it is taken for the reason why a proof was
/// refused. Servers that allow for less would refuse honest ones (RFC 9449 §11.1).
const PROOF_SKEW: u64 = 5;

/// The same where a token was refused. Mostly that is about the token.
const TOKEN_SKEW: u64 = 60;

/// Longest nonce, in bytes. It is sent back with each request.
const NONCE_LIMIT: usize = 1024;

/// What the servers of one role said, by origin. Authorization servers and MCP servers have one
/// each (RFC 9449 §9: a nonce is for the role that gave it). Its `Debug` shows no nonce.
#[derive(Default)]
pub struct Memory(HashMap<Origin, Told>);

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Memory({} origins)", self.0.len())
    }
}

/// What one origin said.
#[derive(Default)]
struct Told {
    /// The newest nonce.
    nonce: Option<String>,
    /// How far its clock is ahead of ours, in seconds.
    ahead: i64,
}

/// What an answer says about the proof that went with the request.
#[derive(Clone, Copy, Debug)]
pub struct Heard<'a> {
    /// Where the request went.
    pub url: &'a Url,
    /// The `error`, if the request was refused for want of authorization.
    pub error: Option<&'a str>,
    /// `DPoP-Nonce`.
    pub nonce: Option<&'a str>,
    /// `Date`, in seconds since the epoch.
    pub date: Option<u64>,
}

/// For what reasons a request was sent again already.
#[derive(Clone, Debug, Default)]
pub struct Tries {
    /// The newest nonce that the answers to this very request gave. Another request may have
    /// brought a newer one meanwhile, and a server may take each only once.
    nonce: Option<String>,
    /// Whether it was sent again for a nonce.
    for_nonce: bool,
    /// How far the server's clock is ahead of ours, in seconds, by the answer that refused this
    /// request. Believed of other requests, too, once the proof is taken: the time that answers
    /// state is not always the one that proofs are held against.
    ahead: Option<i64>,
}

impl Memory {
    /// The nonce for a request there.
    pub fn nonce<'a>(&'a self, url: &Url, tries: &'a Tries) -> Option<&'a str> {
        let newest = || self.0.get(&url.origin())?.nonce.as_deref();
        tries.nonce.as_deref().or_else(newest)
    }

    /// What its clock shows, as far as we know, when ours shows `now`; both in seconds since the
    /// epoch.
    pub fn time_at(&self, url: &Url, tries: &Tries, now: u64) -> u64 {
        let known = || self.0.get(&url.origin()).map_or(0, |told| told.ahead);
        now.saturating_add_signed(tries.ahead.unwrap_or_else(known))
    }

    /// Takes note of an answer that came at `now`, and says whether the request is to be sent again
    /// with another proof: once because of the clock, and before and after that once because of a
    /// nonce. Neither says anything about the token.
    pub fn hear(&mut self, heard: &Heard<'_>, tries: &mut Tries, now: u64) -> bool {
        let nonce = heard.nonce.filter(|nonce| is_nonce(nonce));
        if let Some(nonce) = nonce {
            self.of(heard.url).nonce = Some(nonce.to_owned());
            tries.nonce = Some(nonce.to_owned());
        }
        // Real servers refuse an `iat` in the past or future with either of the last two.
        let skew = match heard.error {
            Some("use_dpop_nonce") => {
                let again = nonce.is_some() && !tries.for_nonce;
                tries.for_nonce |= again;
                return again;
            }
            Some("invalid_dpop_proof") => PROOF_SKEW,
            Some("invalid_token") => TOKEN_SKEW,
            // The proof was taken.
            _ => {
                if let Some(ahead) = tries.ahead {
                    self.of(heard.url).ahead = ahead;
                }
                return false;
            }
        };
        if tries.ahead.is_some() {
            return false;
        }
        let shown = self.time_at(heard.url, tries, now);
        let Some(date) = heard.date.filter(|date| date.abs_diff(shown) > skew) else {
            return false;
        };
        tries.ahead = i64::try_from(i128::from(date) - i128::from(now)).ok();
        tries.for_nonce = false;
        tries.ahead.is_some()
    }

    fn of(&mut self, url: &Url) -> &mut Told {
        self.0.entry(url.origin()).or_default()
    }
}

/// RFC 9449 §8.1: visible ASCII without `"` and `\`.
fn is_nonce(text: &str) -> bool {
    let plain = |byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    !text.is_empty() && text.len() <= NONCE_LIMIT && text.bytes().all(plain)
}

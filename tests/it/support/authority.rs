//! A server that people sign in to, seen by the tests of many processes: what it counts, and what can
//! be done to it. Those tests are written once and run against servers of different origin.

use playground::{Fault, GrantState, Playground, Request, Then};

use super::oidc::{self, OidcProvider};

/// What an authorization server has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Clients registered.
    pub registrations: usize,
    /// Codes turned into tokens.
    pub exchanges: usize,
    /// Refresh tokens turned into new ones.
    pub refreshes: usize,
    /// Spent refresh tokens that came again and were refused.
    pub reuses: usize,
    /// Grants that were ended because of that.
    pub ended: usize,
}

/// What a token request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    Code,
    Refresh,
}

impl Grant {
    /// Its `grant_type`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Code => "authorization_code",
            Self::Refresh => "refresh_token",
        }
    }
}

/// What goes wrong with one token request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// It is answered with 500, undone.
    Fails,
    /// It is answered with 503 and `Retry-After: 0`, undone.
    Busy,
    /// It is done and answered with 500.
    FailsAfter,
    /// The connection ends, and nothing was done.
    Cut,
    /// It is done, and the connection ends.
    CutAfter,
    /// It is done, and the connection ends within the answer.
    CutWithin,
    /// It waits for [`Authority::release`] and is done then.
    Held,
    /// It is done and waits for [`Authority::release`] before it is answered.
    HeldAfter,
}

impl Mishap {
    /// Whether it is done, and the client may never learn of it.
    pub fn loses_answer(self) -> bool {
        match self {
            Self::Fails | Self::Busy | Self::Cut | Self::Held => false,
            Self::FailsAfter | Self::CutAfter | Self::CutWithin | Self::HeldAfter => true,
        }
    }
}

/// An authorization server and the MCP server that believes its tokens. Refresh tokens are rotated;
/// one that is used twice ends its grant.
pub trait Authority {
    /// The address of the MCP server.
    fn mcp_url(&self) -> String;
    /// What it has done so far.
    fn counts(&self) -> Counts;
    /// No access token is good any more; refresh tokens are.
    fn expire_access_tokens(&self);
    /// Something goes wrong with the next token request of this kind that nothing else goes wrong
    /// with.
    fn mishap(&self, grant: Grant, mishap: Mishap);
    /// Nothing goes wrong from now on. What is held stays held.
    fn clear_mishaps(&self);
    /// Lets the requests go on that are held now.
    fn release(&self);
    /// Grants of which no token has been used, if it knows that.
    fn unused(&self) -> Option<usize>;
    /// Requests to the MCP server whose token was refused.
    fn tokens_refused(&self) -> usize;
    /// Whether it would take this access token or refresh token now, if it knows that without.
    fn takes(&self, token: &str) -> Option<bool>;
    /// Waits until so many token requests are held.
    fn wait_for_held(&self, count: usize);
    /// What it was asked, for a failing test.
    fn story(&self) -> String;
}

impl Authority for Playground {
    fn mcp_url(&self) -> String {
        self.mcp_url()
    }

    fn counts(&self) -> Counts {
        let ended = |state: &GrantState| *state == GrantState::Ended;
        Counts {
            registrations: self.registrations(),
            exchanges: self.code_exchanges(),
            refreshes: self.refreshes(),
            reuses: self.reuses(),
            ended: self.grants().into_iter().filter(ended).count(),
        }
    }

    fn expire_access_tokens(&self) {
        self.expire_access_tokens();
    }

    fn mishap(&self, grant: Grant, mishap: Mishap) {
        let then = match mishap {
            Mishap::Fails => Then::answer(500).into(),
            Mishap::Busy => Then::answer(503).header("Retry-After", "0").into(),
            Mishap::FailsAfter => Then::AnswerAfter(Then::answer(500)),
            Mishap::Cut => Then::CloseBefore,
            Mishap::CutAfter => Then::CloseAfter,
            Mishap::CutWithin => Then::CutBody(20),
            Mishap::Held => Then::Hold,
            Mishap::HeldAfter => Then::HoldAnswer,
        };
        self.fault(Fault::token(grant.name()).then(then));
    }

    fn clear_mishaps(&self) {
        self.clear_faults();
    }

    fn release(&self) {
        for _ in 0..self.held() {
            self.release_held();
        }
    }

    fn unused(&self) -> Option<usize> {
        let unused = |state: &GrantState| *state == GrantState::Unused;
        Some(self.grants().into_iter().filter(unused).count())
    }

    fn tokens_refused(&self) -> usize {
        let refused =
            |request: &&Request| request.status == Some(401) && request.bearer().is_some();
        self.requests().iter().filter(refused).count()
    }

    fn takes(&self, token: &str) -> Option<bool> {
        Some(self.takes(token))
    }

    fn wait_for_held(&self, count: usize) {
        self.wait_for(|_| (self.held() >= count).then_some(()));
    }

    fn story(&self) -> String {
        self.printed_log()
    }
}

impl Authority for OidcProvider {
    fn mcp_url(&self) -> String {
        self.url.to_string()
    }

    fn counts(&self) -> Counts {
        let counted = self.counts();
        let [registrations, exchanges, refreshes, reuses, ended] = [
            counted.registrations,
            counted.code_exchanges,
            counted.refreshes,
            counted.reuses,
            counted.grants_revoked,
        ]
        .map(|count| usize::try_from(count).expect("a small count"));
        Counts {
            registrations,
            exchanges,
            refreshes,
            reuses,
            ended,
        }
    }

    fn expire_access_tokens(&self) {
        self.expire_access_tokens();
    }

    fn mishap(&self, grant: Grant, mishap: Mishap) {
        let fault = match mishap {
            Mishap::Fails | Mishap::Busy => oidc::Fault::FailsBefore,
            Mishap::FailsAfter => oidc::Fault::FailsAfter,
            Mishap::Cut => oidc::Fault::CutBefore,
            Mishap::CutAfter | Mishap::CutWithin => oidc::Fault::CutAfter,
            Mishap::Held => oidc::Fault::HeldBefore,
            Mishap::HeldAfter => oidc::Fault::HeldAfter,
        };
        self.fault(fault, 1, Some(grant.name()));
    }

    fn clear_mishaps(&self) {
        self.clear_faults();
    }

    fn release(&self) {
        self.release();
    }

    fn unused(&self) -> Option<usize> {
        None
    }

    fn tokens_refused(&self) -> usize {
        usize::try_from(self.counts().tokens_refused).expect("a small count")
    }

    fn takes(&self, _token: &str) -> Option<bool> {
        None
    }

    fn wait_for_held(&self, count: usize) {
        self.wait_for(|pending| pending.held >= count as u64);
    }

    fn story(&self) -> String {
        let lines: Vec<String> = self
            .requests()
            .iter()
            .map(|request| format!("{request:?}"))
            .collect();
        lines.join("\n")
    }
}

/// Whether it is a token request of this kind.
pub fn is_grant(request: &Request, grant: Grant) -> bool {
    request.method == "POST" && request.parameter("grant_type").as_deref() == Some(grant.name())
}

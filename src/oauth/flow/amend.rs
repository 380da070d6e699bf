//! Changes to what is remembered. They are applied to what the cache holds at that moment, under its
//! lock, so that two processes do not undo each other's.

use crate::ids::Issuer;
use crate::oauth::sign_in::{FailureNote, Failures, KnownClient, SignIn};
use crate::oauth::token::Grant;

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Amendment {
    /// A client was registered.
    PutClient(Issuer, KnownClient),
    /// A client turned out to be unknown: it goes, with the grant that was its own, unless another
    /// process has replaced it already.
    DropClient(Issuer, String),
    /// A person signed in.
    PutGrant(Box<Grant>, KnownClient),
    /// A sign-in failed.
    NoteFailure {
        /// What happened, fit to be shown.
        reason: String,
        /// Whether the same may succeed later without anybody doing anything.
        transient: bool,
    },
}

impl Amendment {
    /// Makes the change.
    pub fn apply(&self, sign_in: &mut SignIn) {
        match self {
            Self::PutClient(issuer, known) => {
                sign_in.clients.insert(issuer.clone(), known.clone());
            }
            Self::DropClient(issuer, client_id) => {
                let is_this = |known: &KnownClient| known.client.client_id == *client_id;
                if sign_in.clients.get(issuer).is_some_and(is_this) {
                    sign_in.clients.remove(issuer);
                    if sign_in
                        .grant
                        .as_ref()
                        .is_some_and(|grant| grant.issuer == *issuer)
                    {
                        sign_in.grant = None;
                    }
                }
            }
            Self::PutGrant(grant, known) => {
                sign_in.clients.insert(grant.issuer.clone(), known.clone());
                sign_in.grant = Some((**grant).clone());
                sign_in.failures = Failures::default();
            }
            Self::NoteFailure { reason, transient } => {
                let last = &mut sign_in.failures.sign_in;
                *last = Some(FailureNote::after(
                    last.as_ref(),
                    reason.clone(),
                    *transient,
                ));
            }
        }
    }
}

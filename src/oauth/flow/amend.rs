//! Changes to what is remembered. They are applied to what the cache holds at that moment, under its
//! lock, so that two processes do not undo each other's.

use crate::ids::Issuer;
use crate::oauth::sign_in::{FailureNote, Failures, KnownClient, SignIn};
use crate::oauth::takeover::Taken;
use crate::oauth::token::Grant;
use crate::secret::Secret;

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Amendment {
    /// A client was registered. A refresh token that is another client's goes: it is bound to that
    /// (RFC 6749 §6), and a server may take its use by this one for theft.
    PutClient(Issuer, KnownClient),
    /// A refresh token was refused: its grant goes, unless another process has renewed it meanwhile.
    DropGrant {
        /// What was refused.
        refresh_token: Secret,
        /// The client, by issuer and identifier, if it was the client that the server does not know.
        client: Option<(Issuer, String)>,
    },
    /// A client turned out to be unknown: it goes, with the grant that was its own, unless another
    /// process has replaced it already.
    DropClient(Issuer, String),
    /// A person signed in.
    PutGrant(Box<Grant>, KnownClient),
    /// The same, from a configured refresh token with this mark.
    PutSeeded(Box<Grant>, KnownClient, String),
    /// The sign-in of another program is ours now, unless there is one already.
    PutTaken(Box<Taken>),
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
                if !is_known(sign_in, issuer, &known.client.client_id)
                    && let Some(grant) = &mut sign_in.grant
                    && grant.issuer == *issuer
                {
                    grant.tokens.refresh_token = None;
                }
                sign_in.clients.insert(issuer.clone(), known.clone());
            }
            Self::DropGrant {
                refresh_token,
                client,
            } => {
                let held = sign_in.grant.as_ref();
                let held = held.and_then(|grant| grant.tokens.refresh_token.as_ref());
                if held == Some(refresh_token) {
                    sign_in.grant = None;
                    if let Some((issuer, client_id)) = client {
                        drop_client(sign_in, issuer, client_id);
                    }
                }
            }
            Self::DropClient(issuer, client_id) => drop_client(sign_in, issuer, client_id),
            Self::PutGrant(grant, known) => put_grant(sign_in, grant, known),
            Self::PutSeeded(grant, known, mark) => {
                put_grant(sign_in, grant, known);
                sign_in.put_seed(mark.clone());
            }
            Self::PutTaken(taken) => {
                if sign_in.grant.is_none() {
                    put_grant(sign_in, &taken.grant, &taken.client);
                    sign_in.taken_over = Some(taken.record.clone());
                }
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

fn put_grant(sign_in: &mut SignIn, grant: &Grant, known: &KnownClient) {
    sign_in.clients.insert(grant.issuer.clone(), known.clone());
    sign_in.grant = Some(grant.clone());
    sign_in.failures = Failures::default();
    if let Some(taken_over) = &mut sign_in.taken_over {
        taken_over.replaced = true;
    }
}

fn is_known(sign_in: &SignIn, issuer: &Issuer, client_id: &str) -> bool {
    let known = sign_in.clients.get(issuer);
    known.is_some_and(|known| known.client.client_id == client_id)
}

fn drop_client(sign_in: &mut SignIn, issuer: &Issuer, client_id: &str) {
    if is_known(sign_in, issuer, client_id) {
        sign_in.clients.remove(issuer);
        sign_in.grant.take_if(|grant| grant.issuer == *issuer);
    }
}

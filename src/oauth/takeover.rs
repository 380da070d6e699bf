//! Sign-ins that another program keeps and this one may take over: whether one fits what is wanted
//! here, and what of it is taken.
//!
//! A refresh token that is replaced with each use belongs to one program only: a server may take its
//! second use for theft and end the sign-in for both (RFC 9700 §4.14.2). So a sign-in is either taken
//! over, which is recorded and happens once, or its access token alone is borrowed while it lasts.

use std::fmt;

use super::discovery::server::AuthorizationServer;
use super::dpop;
use super::flow::{Settings, Way};
use super::mode::AuthMode as Mode;
use super::registration::{AuthMethod, Client};
use super::sign_in::{KnownClient, TakenOver};
use super::token::{Freshness, Grant, TokenSet, UnusableToken};
use crate::ids::{Issuer, ResourceId};
use crate::secret::Secret;
use crate::untrusted::{SHOWN, printable};

/// When a sign-in of another program is taken over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TakeOver {
    /// Never.
    #[default]
    Never,
    /// Before a person is asked for the first time.
    First,
    /// Now, as the user says: nobody is asked for anything else.
    Only,
}

/// A sign-in that another program keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The tokens, with the end of the access token as far as it is known.
    pub tokens: TokenSet,
    /// When they were written, in seconds since the epoch: not before they were issued.
    pub written_at: u64,
    /// Who issued them, if that is recorded.
    pub issuer: Option<Issuer>,
    /// The client that they belong to, if it is recorded.
    pub client: Option<OfferedClient>,
    /// The scopes that were asked for; empty if that is not recorded.
    pub requested_scopes: Vec<String>,
    /// Where it is from.
    pub source: Source,
    /// Why its refresh token is not ours to spend, if it is not.
    pub shared: Option<Shared>,
}

/// Where a sign-in is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The program.
    pub program: &'static str,
    /// What tells this content from any other, and does not tell what it is.
    pub mark: String,
}

/// The client of another program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfferedClient {
    /// The identifier.
    pub client_id: String,
    /// The secret of a confidential client.
    pub client_secret: Option<Secret>,
    /// When the secret ends, in seconds since the epoch; `None` if it never does.
    pub client_secret_expires_at: Option<u64>,
    /// How it authenticates, if that is recorded and known here.
    pub auth_method: Option<AuthMethod>,
    /// What it was registered with.
    pub redirect_uris: Vec<String>,
}

/// Why a refresh token is not ours to spend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shared {
    /// The program runs for this server, as this process.
    Running(u32),
    /// What followed it could not be kept.
    NotKept,
}

/// What is done with an offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is ours from now on.
    Take(Box<Taken>),
    /// Its access token is used while it lasts, and nothing is recorded.
    Borrow(Box<Grant>, Lent),
    /// It is left alone.
    Leave(Unfit),
}

/// A sign-in that is taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The grant.
    pub grant: Grant,
    /// Its client.
    pub client: KnownClient,
    /// The record of it.
    pub record: TakenOver,
}

/// Why an access token is only borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lent {
    /// The refresh token is not ours to spend.
    Shared(Shared),
    /// The client that it belongs to is not known, so nothing can refresh it.
    NoClient,
}

/// Why an offer is of no use here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// Another authorization server issued the tokens.
    OtherIssuer {
        /// That one.
        theirs: Issuer,
        /// The one that the server wants tokens from now.
        wanted: Issuer,
    },
    /// They belong to another client than the one that is configured.
    OtherClient(String),
    /// The scopes that the user wants are not all among those that were granted.
    OtherScopes,
    /// Tokens that are bound to a key are wanted.
    NotBound,
    /// The access token cannot be used.
    Unusable(UnusableToken),
    /// The access token has ended, and there is nothing to refresh it with.
    Ended,
    /// The access token has ended or was refused, and the refresh token is not ours to spend.
    Shared(Shared),
    /// Nothing says which client it belongs to.
    NoClient,
}

/// What is wanted, and at which moment.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// What the user decided.
    pub settings: &'a Settings,
    /// The authorization server.
    pub server: &'a AuthorizationServer,
    /// What tokens are asked for.
    pub resource: Option<&'a ResourceId>,
    /// Whether the server refuses to have that named.
    pub resource_refused: bool,
    /// A token that the server has just refused.
    pub rejected: Option<&'a Secret>,
    /// In seconds since the epoch.
    pub now: u64,
}

impl Offer {
    /// Decides what is done with it.
    pub fn judge(self, wanted: &Wanted<'_>) -> Verdict {
        if let Err(unfit) = self.fits(wanted) {
            return Verdict::Leave(unfit);
        }
        let client = match self.client(wanted) {
            Ok(client) => client,
            Err(unfit) => return Verdict::Leave(unfit),
        };
        let grant = self.grant(wanted);
        let now = wanted.now;
        let is_usable = grant.freshness(now) != Freshness::Expired
            && wanted.rejected != Some(&grant.tokens.access_token);
        let borrowed = |lent| {
            let mut grant = grant.clone();
            grant.tokens.refresh_token = None;
            Verdict::Borrow(Box::new(grant), lent)
        };
        let can_refresh = grant.tokens.refresh_token.is_some();
        match (client, self.shared) {
            (_, Some(shared)) if is_usable => borrowed(Lent::Shared(shared)),
            (_, Some(shared)) => Verdict::Leave(Unfit::Shared(shared)),
            (None, None) if is_usable => borrowed(Lent::NoClient),
            (Some(client), None)
                if is_usable || (can_refresh && !client.client.has_lapsed(now)) =>
            {
                Verdict::Take(Box::new(Taken {
                    record: TakenOver {
                        from: self.source.program.to_owned(),
                        at: now,
                        mark: self.source.mark,
                        replaced: false,
                    },
                    grant,
                    client,
                }))
            }
            _ => Verdict::Leave(Unfit::Ended),
        }
    }

    fn fits(&self, wanted: &Wanted<'_>) -> Result<(), Unfit> {
        let Wanted {
            settings, server, ..
        } = wanted;
        // A token is shown to nobody but who issued it. Older versions did not record who that was,
        // and themselves ask whomever the server names.
        if let Some(theirs) = &self.issuer
            && !is_same(theirs, &server.issuer)
        {
            return Err(Unfit::OtherIssuer {
                theirs: theirs.clone(),
                wanted: server.issuer.clone(),
            });
        }
        if settings.dpop == dpop::Mode::Always {
            return Err(Unfit::NotBound);
        }
        if let Some(scopes) = &settings.scopes {
            let granted = match self.tokens.scopes.is_empty() {
                true => &self.requested_scopes,
                false => &self.tokens.scopes,
            };
            // What was granted may not be recorded; the server says if it does not suffice.
            let lacks = |scope: &String| !granted.is_empty() && !granted.contains(scope);
            if scopes.iter().any(lacks) {
                return Err(Unfit::OtherScopes);
            }
        }
        let checked = self.tokens.clone().checked(None);
        checked.map(drop).map_err(Unfit::Unusable)
    }

    /// The client that the tokens belong to; `None` if nothing says which.
    fn client(&self, wanted: &Wanted<'_>) -> Result<Option<KnownClient>, Unfit> {
        let Wanted {
            settings, server, ..
        } = wanted;
        let is_other = |own: &str| match &self.client {
            Some(theirs) if theirs.client_id != own => {
                Err(Unfit::OtherClient(theirs.client_id.clone()))
            }
            _ => Ok(()),
        };
        let document = settings.document.as_ref();
        let client = if let Some(own) = &settings.client {
            is_other(&own.client_id)?;
            own.client(&server.takes()).ok()
        } else if let Some(own) = document.filter(|_| server.client_id_metadata_documents) {
            is_other(&own.url)?;
            own.client(&server.takes()).ok()
        } else {
            self.client.as_ref().map(|theirs| theirs.client(wanted))
        };
        Ok(client.map(|mut client| {
            // What the user configured stays where they keep it.
            if !client.registered {
                client.client_secret = None;
                client.assertion = None;
            }
            KnownClient {
                client,
                token_endpoint: server.token_endpoint.clone(),
                revocation_endpoint: server.revocation_endpoint.clone(),
                resource_refused: wanted.resource_refused,
            }
        }))
    }

    fn grant(&self, wanted: &Wanted<'_>) -> Grant {
        let issuer = wanted.server.issuer.clone();
        let resource = wanted.resource.cloned();
        let requested = match self.requested_scopes.is_empty() {
            true => self.tokens.scopes.clone(),
            false => self.requested_scopes.clone(),
        };
        // A clock that was set back since is no reason to think a token new for ever.
        let given = self.written_at.min(wanted.now);
        let mut grant = Grant::new(issuer, resource, requested, self.tokens.clone(), given);
        if wanted.settings.way == Way::Device {
            grant.mode = Mode::Device;
        }
        grant
    }
}

impl OfferedClient {
    fn client(&self, wanted: &Wanted<'_>) -> Client {
        let has_secret = self.client_secret.is_some();
        let recorded = self.auth_method.filter(|method| match method {
            AuthMethod::None => true,
            AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost => has_secret,
            AuthMethod::PrivateKeyJwt => false,
        });
        let usual = AuthMethod::choose(has_secret, wanted.server.takes().methods);
        // The one that a browser can still be sent back to.
        let redirect = &wanted.settings.redirect;
        let mut uris = self.redirect_uris.iter();
        let ours = uris.find(|uri| redirect.port_of(uri).is_some());
        Client {
            client_id: self.client_id.clone(),
            client_secret: self.client_secret.clone(),
            client_secret_expires_at: self.client_secret_expires_at,
            auth_method: recorded.unwrap_or(usual),
            redirect_uri: ours.or(self.redirect_uris.first()).cloned(),
            registered: true,
            ..Client::default()
        }
    }
}

/// Some libraries note an issuer as an address, which then has a `/` at its end.
fn is_same(a: &Issuer, b: &Issuer) -> bool {
    let bare = |issuer: &Issuer| {
        let text = issuer.as_str();
        text.strip_suffix('/').unwrap_or(text).to_owned()
    };
    bare(a) == bare(b)
}

impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Running(pid) => {
                write!(f, "mcp-remote still runs for this server (process {pid})")
            }
            Self::NotKept => f.write_str("no sign-in can be kept here"),
        }
    }
}

impl fmt::Display for Lent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shared(shared) => shared.fmt(f),
            Self::NoClient => {
                f.write_str("its registration is missing, so nothing can refresh the token")
            }
        }
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |text: &str| printable(text, SHOWN);
        match self {
            Self::OtherIssuer { theirs, wanted } => write!(
                f,
                "its tokens are from `{}`, and the server now wants them from `{}`",
                shown(theirs.as_str()),
                shown(wanted.as_str())
            ),
            Self::OtherClient(theirs) => write!(
                f,
                "it belongs to the client `{}`, not to the configured one",
                shown(theirs)
            ),
            Self::OtherScopes => f.write_str("it lacks scopes that `--scope` asks for"),
            Self::NotBound => {
                f.write_str("its tokens are not bound to a key, which `--dpop always` demands")
            }
            Self::Unusable(why) => write!(f, "its token cannot be used: {why}"),
            Self::Ended => f.write_str("its token has ended, and nothing there can refresh it"),
            Self::Shared(shared) => {
                write!(
                    f,
                    "{shared}, and two programs cannot refresh the same sign-in"
                )
            }
            Self::NoClient => Lent::NoClient.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests;

//! Whether tokens are to be bound.

use std::error::Error;
use std::fmt;

use super::{ALGORITHM, Mode};
use crate::oauth::challenge::{Challenge, Scheme};
use crate::untrusted::{SHOWN, printable};

/// What the user and the servers want.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wishes<'a> {
    /// What the user said.
    pub mode: Mode,
    /// What the server asked for when it refused a request, if it did.
    pub challenge: Option<&'a Challenge>,
    /// `dpop_bound_access_tokens_required` of the resource's metadata (RFC 9728 §2).
    pub resource_requires: bool,
    /// `dpop_signing_alg_values_supported` of the resource's metadata.
    pub resource_algorithms: Option<&'a [String]>,
    /// `dpop_bound_access_tokens` of the client's registration (RFC 9449 §5.2).
    pub client_requires: bool,
    /// `dpop_signing_alg_values_supported` of the authorization server's metadata (RFC 9449 §5.1).
    pub server_algorithms: Option<&'a [String]>,
}

/// Whether tokens are bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// They are not.
    Bearer,
    /// They are not, although the server seems to want it: the authorization server does not offer
    /// it.
    NotOffered,
    /// They are.
    Bound {
        /// Whether a token that is not bound is of no use.
        required: bool,
    },
}

/// Who accepts nothing but bound tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
    /// The MCP server, by its metadata.
    Resource,
    /// The authorization server, by the client's registration.
    Client,
    /// The MCP server, by the only challenge it gave.
    Challenge,
    /// The user.
    User,
}

impl fmt::Display for Demand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resource => "the server's metadata says `dpop_bound_access_tokens_required`",
            Self::Client => "the client is registered with `dpop_bound_access_tokens`",
            Self::Challenge => "the server asks for the scheme `DPoP` and no other",
            Self::User => "`--dpop always` is given",
        })
    }
}

/// Why tokens cannot be bound, or not left unbound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DpopError {
    /// The user wants none that are bound, and somebody none that are not.
    Forbidden(Demand),
    /// Somebody wants tokens that are bound, and the authorization server does not offer them.
    NotOffered(Demand),
    /// The authorization server or the MCP server verifies only proofs of other kinds.
    Algorithms {
        /// Who.
        whose: &'static str,
        /// What it lists.
        listed: Vec<String>,
    },
}

impl DpopError {
    /// The rule that it goes by.
    pub fn rule(&self) -> &'static str {
        match self {
            Self::Forbidden(Demand::Resource) => "RFC 9728 §2",
            Self::Forbidden(Demand::Client) => "RFC 9449 §5.2",
            Self::Forbidden(_) => "RFC 9449 §7.1",
            Self::NotOffered(_) | Self::Algorithms { .. } => "RFC 9449 §5.1",
        }
    }

    /// What the user does next.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Forbidden(_) => "leave out `--dpop never` to use tokens that are bound to a key",
            Self::NotOffered(_) => {
                "the operator of the server has to mend that; `--dpop always` tries all the same"
            }
            Self::Algorithms { .. } => {
                "mcp-drawbridge signs with `ES256` only; ask the operator of the server to accept that"
            }
        }
    }
}

impl fmt::Display for DpopError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forbidden(demand) => write!(
                f,
                "`--dpop never` forbids tokens that are bound to a key, but {demand}"
            ),
            Self::NotOffered(demand) => write!(
                f,
                "{demand}, but the authorization server's metadata has no `dpop_signing_alg_values_supported`, so it binds no tokens to a key"
            ),
            Self::Algorithms { whose, listed } => write!(
                f,
                "the {whose} takes proofs of possession signed with `{}` only, not with `{ALGORITHM}`",
                printable(&listed.join(" "), SHOWN)
            ),
        }
    }
}

impl Error for DpopError {}

impl Wishes<'_> {
    /// Decides.
    pub fn decide(&self) -> Result<Decision, DpopError> {
        let demand = match () {
            () if self.resource_requires => Some(Demand::Resource),
            () if self.client_requires => Some(Demand::Client),
            () => None,
        };
        let asks = |challenge: &&Challenge| challenge.scheme == Scheme::Dpop;
        let challenge = self.challenge.filter(asks);
        match self.mode {
            Mode::Never => {
                let only = challenge.filter(|challenge| !challenge.or_bearer);
                match demand.or(only.map(|_| Demand::Challenge)) {
                    Some(demand) => Err(DpopError::Forbidden(demand)),
                    None => Ok(Decision::Bearer),
                }
            }
            // The metadata may say nothing because there is none.
            Mode::Always => match self.unfit() {
                Some(unfit) => Err(unfit),
                None => Ok(Decision::Bound { required: true }),
            },
            Mode::Auto => {
                if demand.is_none() && challenge.is_none() {
                    return Ok(Decision::Bearer);
                }
                let offered = self.server_algorithms.is_some();
                match (self.unfit(), demand) {
                    (None, demand) if offered => Ok(Decision::Bound {
                        required: demand.is_some(),
                    }),
                    (_, None) => Ok(Decision::NotOffered),
                    (Some(unfit), Some(_)) => Err(unfit),
                    (None, Some(demand)) => Err(DpopError::NotOffered(demand)),
                }
            }
        }
    }

    /// Whether somebody lists algorithms, and not ours.
    fn unfit(&self) -> Option<DpopError> {
        let challenged = self.challenge.and_then(|c| c.algs.as_deref());
        let lists = [
            ("authorization server", self.server_algorithms),
            ("server", self.resource_algorithms.or(challenged)),
        ];
        let ours = |listed: &[String]| listed.iter().any(|name| name == ALGORITHM.name());
        lists.into_iter().find_map(|(whose, listed)| {
            let listed = listed.filter(|listed| !ours(listed))?.to_vec();
            Some(DpopError::Algorithms { whose, listed })
        })
    }
}

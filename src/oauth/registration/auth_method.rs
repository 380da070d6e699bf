//! How clients prove themselves at the token endpoint: which method, and whether the authorization
//! server takes it.

use std::error::Error;
use std::fmt;

use url::Url;

use crate::ids::Issuer;
use crate::jwt::Algorithm;
use crate::untrusted::{SHOWN, printable};

/// How a client proves itself at the token endpoint (RFC 7591 §2, `token_endpoint_auth_method`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuthMethod {
    /// A public client: `client_id` in the body and nothing else.
    #[default]
    None,
    /// HTTP Basic with form-encoded identifier and secret (RFC 6749 §2.3.1).
    ClientSecretBasic,
    /// Identifier and secret in the body.
    ClientSecretPost,
    /// An assertion that the client signs for each request (RFC 7523 §2.2).
    PrivateKeyJwt,
}

impl AuthMethod {
    /// The registered name.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
        }
    }

    /// The method of that name, if it is one we can use.
    pub fn from_name(name: &str) -> Option<Self> {
        [
            Self::None,
            Self::ClientSecretBasic,
            Self::ClientSecretPost,
            Self::PrivateKeyJwt,
        ]
        .into_iter()
        .find(|method| method.name() == name)
    }

    /// The method for a client with this secret at a server that lists these methods, where
    /// neither registration nor configuration named one. RFC 8414 §2: a server that lists nothing
    /// takes HTTP Basic.
    pub fn choose(has_secret: bool, listed: Option<&[String]>) -> Self {
        let lists = |method: Self| listed.is_some_and(|l| l.iter().any(|m| m == method.name()));
        match has_secret {
            false => Self::None,
            true if lists(Self::ClientSecretBasic) || !lists(Self::ClientSecretPost) => {
                Self::ClientSecretBasic
            }
            true => Self::ClientSecretPost,
        }
    }
}

/// How an authorization server lets clients prove themselves.
#[derive(Clone, Copy, Debug)]
pub struct Takes<'a> {
    /// Who it is.
    pub issuer: &'a Issuer,
    /// Where it issues tokens.
    pub token_endpoint: &'a Url,
    /// `token_endpoint_auth_methods_supported`; `None` if it does not say.
    pub methods: Option<&'a [String]>,
    /// `token_endpoint_auth_signing_alg_values_supported`; `None` if it does not say.
    pub algorithms: Option<&'a [String]>,
}

impl Takes<'_> {
    /// The method for a client that has a secret or nothing, where neither registration nor
    /// configuration named one.
    pub fn choose(&self, has_secret: bool) -> Result<AuthMethod, ClientAuthError> {
        let usable = [AuthMethod::ClientSecretBasic, AuthMethod::ClientSecretPost];
        let takes_secrets = self.methods.is_none_or(|listed| {
            // Who lists only `none`, or nothing, may have forgotten the others.
            let known = |name: &String| UNSUPPORTED.contains(&name.as_str());
            let secret = |name: &String| usable.iter().any(|method| method.name() == name);
            listed.iter().any(secret) || !listed.iter().any(known)
        });
        match has_secret && !takes_secrets {
            true => Err(ClientAuthError::Methods(
                self.methods.unwrap_or_default().to_vec(),
            )),
            false => Ok(AuthMethod::choose(has_secret, self.methods)),
        }
    }

    /// The method for a client with a key for this algorithm.
    pub fn check_algorithm(&self, key: Algorithm) -> Result<AuthMethod, ClientAuthError> {
        // RFC 9864 calls EdDSA with Ed25519 by the name of the curve.
        let fits =
            |name: &String| name == key.name() || (key == Algorithm::EdDsa && name == "Ed25519");
        match self.algorithms.filter(|listed| !listed.is_empty()) {
            Some(listed) if !listed.iter().any(fits) => Err(ClientAuthError::Algorithms {
                key,
                listed: listed.to_vec(),
            }),
            _ => Ok(AuthMethod::PrivateKeyJwt),
        }
    }
}

/// Registered methods that a client of ours cannot use: with a secret it sends the secret, and
/// neither signs with it nor shows a certificate.
const UNSUPPORTED: [&str; 4] = [
    "client_secret_jwt",
    "private_key_jwt",
    "tls_client_auth",
    "self_signed_tls_client_auth",
];

/// Why a client of the user's cannot prove itself to an authorization server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientAuthError {
    /// The server takes secrets in no way; these methods are what it takes.
    Methods(Vec<String>),
    /// The server takes signatures by other algorithms only.
    Algorithms {
        /// What the key is for.
        key: Algorithm,
        /// What the server takes.
        listed: Vec<String>,
    },
}

impl ClientAuthError {
    /// What the user does next.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Methods(listed) if listed.iter().any(|name| name == "private_key_jwt") => {
                "give the client's private key with `--client-assertion-key` in place of its secret"
            }
            Self::Methods(_) => {
                "the bridge can use `none`, `client_secret_basic`, `client_secret_post` and `private_key_jwt`; have the provider change the client, or name one with `token_endpoint_auth_method` if the list is wrong"
            }
            Self::Algorithms { .. } => {
                "give a key for one of them with `--client-assertion-key`: P-256 for `ES256`, Ed25519 for `EdDSA`, RSA for `RS256`, or for `PS256` with `--client-assertion-alg PS256`"
            }
        }
    }
}

impl fmt::Display for ClientAuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |listed: &[String]| printable(&listed.join(" "), SHOWN);
        match self {
            Self::Methods(listed) => write!(
                f,
                "the authorization server takes no client secret: clients authenticate by `{}` there",
                shown(listed)
            ),
            Self::Algorithms { key, listed } => write!(
                f,
                "the client's key is for `{key}`, but the authorization server takes signatures by `{}`",
                shown(listed)
            ),
        }
    }
}

impl Error for ClientAuthError {}

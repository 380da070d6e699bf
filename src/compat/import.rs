//! What mcp-remote keeps of a sign-in: in which folders, under which names, in which format, and
//! which of several is the one to take over.
//!
//! It is given what stands in the files. Nothing in them says which server they are for: they are
//! found by a hash of what the user gives mcp-remote for it, which [`Names`] has.

mod file;
mod ledger;

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use super::callback_port::Parts;
use crate::oauth::takeover::{Offer, Shared, Source};

pub use file::{FileFault, Lease, Lock};
pub use ledger::{Barred, Claim, Ledger, LedgerFault};

/// What the program is called.
pub const PROGRAM: &str = "mcp-remote";

/// The variable that names the folder of its sign-ins.
pub const VARIABLE: &str = "MCP_REMOTE_CONFIG_DIR";

/// The folder of its sign-ins in the user's home.
pub const FOLDER: &str = ".mcp-auth";

/// The folder in it that versions from 0.3 on use.
const CURRENT: &str = "mcp-remote-v1";

/// The first version whose names depend on more than the address.
const FIRST_WITH_PARTS: [u64; 3] = [0, 1, 30];

/// Largest file that is taken for one of mcp-remote's, in bytes.
pub const SIZE_LIMIT: u64 = 1 << 20;

/// Where mcp-remote keeps the sign-in for what the user gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The folder of all its sign-ins.
    pub base: PathBuf,
    /// What the sign-in is called there.
    pub names: Names,
    /// The server's address as the user wrote it, which mcp-remote is started with.
    pub server: String,
}

/// What a sign-in is called, by version of mcp-remote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// Today.
    current: String,
    /// In folders of versions up to 0.2.
    of_versions: String,
    /// In those of versions before 0.1.30.
    of_first_versions: String,
}

/// A kind of file that mcp-remote keeps for a sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The tokens.
    Tokens,
    /// The client.
    Client,
    /// Who refreshes the token right now.
    Lease,
    /// Who has the sign-in open, or runs, up to version 0.1.
    Lock,
}

/// The bytes of a file, and when it was written, in seconds since the epoch.
pub struct Content<'a> {
    /// What stands in it.
    pub bytes: &'a [u8],
    /// When it was written.
    pub written_at: u64,
}

impl Kind {
    /// The file of this kind for a sign-in of this name.
    pub fn file(self, name: &str) -> String {
        let ending = match self {
            Self::Tokens => "tokens.json",
            Self::Client => "client_info.json",
            Self::Lease => "refresh_in_progress.json",
            Self::Lock => "lock.json",
        };
        format!("{name}_{ending}")
    }
}

impl Names {
    /// The names for what is given.
    pub fn new(parts: &Parts<'_>) -> Self {
        let bare = Parts {
            server: parts.server,
            ..Parts::default()
        };
        let first = Parts {
            resource: parts.resource,
            headers: parts.headers,
            ..bare.clone()
        };
        Self {
            current: parts.hash(),
            of_versions: first.hash(),
            of_first_versions: bare.hash(),
        }
    }

    /// The name in a folder, and the folder's rank: of two that have the sign-in, the higher counts.
    /// `None` for what is no folder of sign-ins.
    pub fn within(&self, folder: &str) -> Option<(&str, Rank)> {
        if folder == CURRENT {
            return Some((&self.current, Rank::Current));
        }
        let version = folder.strip_prefix("mcp-remote-")?;
        // What follows a hyphen is a preview.
        let numbers = version.split('-').next()?.split('.');
        let numbers: Vec<u64> = numbers.map(|n| n.parse().ok()).collect::<Option<_>>()?;
        let numbers: [u64; 3] = numbers.try_into().ok()?;
        let name = match numbers < FIRST_WITH_PARTS {
            true => &self.of_first_versions,
            false => &self.of_versions,
        };
        Some((name, Rank::Version))
    }
}

/// How recent a folder is, older first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// The folder of one version.
    Version,
    /// The folder of all versions from 0.3 on.
    Current,
}

/// A sign-in in one of the folders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// How recent the folder is.
    pub rank: Rank,
    /// The sign-in.
    pub offer: Offer,
}

impl Found {
    /// Reads a sign-in from what stands in its files.
    pub fn read(
        rank: Rank,
        tokens: &Content<'_>,
        client: Option<&Content<'_>>,
    ) -> Result<Self, (Kind, FileFault)> {
        let read = file::tokens(tokens).map_err(|fault| (Kind::Tokens, fault))?;
        let known = client.map(|content| file::client(content.bytes));
        let known = known.transpose().map_err(|fault| (Kind::Client, fault))?;
        let (client_issuer, client_info) = match known {
            Some((issuer, client)) => (issuer, Some(client)),
            None => (None, None),
        };
        let offer = Offer {
            tokens: read.tokens,
            written_at: tokens.written_at,
            // A refresh writes the tokens without it.
            issuer: read.issuer.or(client_issuer),
            client: client_info,
            requested_scopes: read.requested_scopes,
            source: Source {
                program: PROGRAM,
                mark: mark(tokens.bytes, client.map(|content| content.bytes)),
            },
            shared: None,
        };
        Ok(Self { rank, offer })
    }

    /// What can go on comes first, then what is in the folder of today, then the later file.
    fn worth(&self, now: u64) -> (bool, Rank, u64) {
        let tokens = &self.offer.tokens;
        let lasts = tokens.expires_at.is_none_or(|end| end > now);
        let renews = tokens.refresh_token.is_some();
        (lasts || renews, self.rank, self.offer.written_at)
    }
}

/// Of several, the one to take over, at `now` in seconds since the epoch. `running` is the process of
/// mcp-remote that uses it.
pub fn choose(found: Vec<Found>, running: Option<u32>, now: u64) -> Option<Offer> {
    let best = found.into_iter().max_by_key(|found| found.worth(now))?;
    Some(Offer {
        shared: running.map(Shared::Running),
        ..best.offer
    })
}

/// What tells this content from any other, and does not tell what it is.
fn mark(tokens: &[u8], client: Option<&[u8]>) -> String {
    let mut digest = Sha256::new();
    digest.update(b"sign-in of mcp-remote\0");
    for part in [tokens, client.unwrap_or_default()] {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    URL_SAFE_NO_PAD.encode(&digest.finalize()[..16])
}

/// Whether a command is mcp-remote for this server, told by its words.
pub fn is_running(words: &[&str], server: &str) -> bool {
    let names_it = |word: &&&str| {
        let word = word.replace('\\', "/");
        let last = word.rsplit('/').next().unwrap_or_default();
        let bare = last.split('@').next().unwrap_or_default();
        bare == PROGRAM
            || bare.strip_suffix(".js") == Some(PROGRAM)
            || word.contains("/mcp-remote/dist/")
    };
    words.contains(&server) && words.iter().any(|word| names_it(&word))
}

#[cfg(test)]
mod tests;

//! Options about where servers may send us.

use clap::Args;

/// Options about where servers may send us.
#[derive(Args, Default)]
pub struct TrustOptions {
    /// Let the server send us to addresses of this machine and of private networks
    ///
    /// A server names other addresses: of its metadata, of its authorization server. Such an
    /// address may lead to where the server is, to a private network if it is in one itself, or to
    /// the public internet; elsewhere it could have us knock at doors that are closed to it
    /// (RFC 9728). Addresses that you give yourself are not held to that.
    #[arg(long, hide_short_help = true)]
    pub allow_internal_addresses: bool,
}

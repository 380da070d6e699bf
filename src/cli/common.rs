//! Options that every command with a connection has.

use clap::Args;

use super::TrustOptions;

/// Options that every command with a connection has.
#[derive(Args, Default)]
pub struct CommonOptions {
    /// Read the configuration from this file
    ///
    /// Without it, from `config.json` in `mcp-drawbridge` in your configuration directory. JSON: an entry for each server in `mcpServers`, and `defaults` for all. Flags and environment
    /// variables win over it. Files that it names are looked for in its own folder.
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub config: Option<String>,

    /// Seconds to wait for a connection [default: 10]
    #[arg(long, value_name = "SECONDS", hide_short_help = true)]
    pub connect_timeout: Option<String>,

    /// Trust the certificates in this PEM file, besides the system's, repeatable
    ///
    /// For networks that inspect TLS, and servers with a private CA. The variable
    /// NODE_EXTRA_CA_CERTS names one more such file, SSL_CERT_FILE and SSL_CERT_DIR the system's.
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub ca_file: Vec<String>,

    /// Prove who you are to servers that ask for a certificate, with this PEM file
    ///
    /// The certificate comes first in it, then those that lead to its CA. The key may be in the same
    /// file.
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub client_cert: Option<String>,

    /// Private key of --client-cert, in PEM form and without a passphrase
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub client_key: Option<String>,

    /// Connect through this proxy; `direct` for none
    ///
    /// `http://`, `https://`, `socks5://` or `socks5h://` (which finds addresses at the proxy), then
    /// `HOST:PORT`, with `USER:PASSWORD@` before it if it wants that. Without this option the
    /// variables HTTPS_PROXY, HTTP_PROXY and ALL_PROXY count, then the system's settings. Servers on
    /// this machine are reached without a proxy.
    #[arg(long, value_name = "URL", hide_short_help = true)]
    pub proxy: Option<String>,

    /// Use the proxies of the environment as mcp-remote does
    ///
    /// The environment's proxies are used in any case. With this, HTTP_PROXY counts for https as well
    /// where HTTPS_PROXY is not set, and of two spellings the one in small letters.
    #[arg(long, hide_short_help = true)]
    pub enable_proxy: bool,

    /// Connect to these hosts without a proxy, besides those in NO_PROXY
    ///
    /// Separated by commas: domains, which include what is below them, addresses, ranges such as
    /// `10.0.0.0/8`, each also with `:PORT`, and `*` for all.
    #[arg(long, value_name = "HOSTS", hide_short_help = true)]
    pub no_proxy: Option<String>,

    /// Use IPv4 only
    #[arg(long, hide_short_help = true)]
    pub ipv4: bool,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub trust: TrustOptions,

    /// Tell every decision and its reason, also in a file
    ///
    /// The file is beside the sign-in, and stderr says where. It holds no secrets, and is put aside when
    /// it is full.
    #[arg(long)]
    pub debug: bool,

    /// Write only what you must act on to stderr
    ///
    /// --debug wins where both are given.
    #[arg(long, hide_short_help = true)]
    pub silent: bool,
}

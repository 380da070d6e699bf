//! Options about how a person comes to sign in, and where the browser returns to.

use clap::Args;

/// How a person signs in, and where the browser returns to.
#[derive(Args, Default)]
pub struct CallbackOptions {
    /// Never open a browser; print the address instead
    #[arg(long)]
    pub no_browser: bool,

    /// Do not take over the sign-in of mcp-remote for the same arguments
    ///
    /// Otherwise it is taken over when the server is used for the first time, instead of asking you to
    /// sign in anew. Files of mcp-remote are never changed.
    #[arg(long, hide_short_help = true)]
    pub no_import: bool,

    /// Sign in by a code entered on another device
    ///
    /// For machines without a browser: the code is confirmed in a browser anywhere, and no browser
    /// has to return to this machine (RFC 8628). The authorization server must offer it. What
    /// --authorize-param sets goes with the request for the code.
    #[arg(long, hide_short_help = true)]
    pub device_code: bool,

    /// Seconds to wait for a person to finish the sign-in [default: 600]
    ///
    /// In mcp-remote, which waits for the person without a limit, an option of this name bounds
    /// how long processes wait for one another.
    #[arg(long, value_name = "SECONDS", hide_short_help = true)]
    pub auth_timeout: Option<String>,

    /// Host name of the address that the browser returns to [default: localhost]
    ///
    /// `localhost`, `127.0.0.1` or `[::1]`. The default on Windows is 127.0.0.1.
    #[arg(long, value_name = "HOST", hide_short_help = true)]
    pub host: Option<String>,

    /// Address to listen on for the browser, instead of loopback
    ///
    /// For containers whose published port leads to their network address, such as `0.0.0.0`.
    /// Whoever can reach it can then knock; only the answer to the sign-in is let in.
    #[arg(long, value_name = "ADDRESS", hide_short_help = true)]
    pub bind_host: Option<String>,

    /// Path of the address that the browser returns to [default: /oauth/callback]
    #[arg(long, value_name = "PATH", hide_short_help = true)]
    pub callback_path: Option<String>,

    /// Send the browser to this page after a successful sign-in
    ///
    /// An https address, or http on this machine (see --allow-http). Nothing about the sign-in is added
    /// to it. Without it, and if the sign-in fails, the browser shows a page of ours.
    #[arg(long, value_name = "URL", hide_short_help = true)]
    pub auth_success_url: Option<String>,
}

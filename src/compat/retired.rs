//! What a user should know of an entry: addresses that their vendors have shut, and what works
//! otherwise here than with mcp-remote.

use url::Url;

use super::rewrite::Found;

/// An address that a vendor has shut, or put another in the place of.
struct Retired {
    /// Host and path.
    address: &'static str,
    /// What became of it.
    what: &'static str,
    /// The address to use.
    instead: &'static str,
    /// What else that takes.
    besides: &'static str,
}

/// Each as the vendor's documentation says it, or as the address answers.
const RETIRED: [Retired; 5] = [
    // support.atlassian.com, Atlassian Rovo MCP server: HTTP+SSE
    Retired {
        address: "mcp.atlassian.com/v1/sse",
        what: "Atlassian has supported only until 2026-06-30",
        instead: "https://mcp.atlassian.com/v1/mcp/authv2",
        besides: "",
    },
    // developers.asana.com, MCP server: V1
    Retired {
        address: "mcp.asana.com/sse",
        what: "Asana has shut on 2026-08-05",
        instead: "https://mcp.asana.com/v2/mcp",
        besides: ", which needs an app of your own",
    },
    // It answers 404.
    Retired {
        address: "mcp.slack.com/sse",
        what: "does not exist any more",
        instead: "https://mcp.slack.com/mcp",
        besides: ", which needs an app of your own",
    },
    // linear.app/docs/mcp
    Retired {
        address: "mcp.linear.app/sse",
        what: "Linear has put another in the place of",
        instead: "https://mcp.linear.app/mcp",
        besides: "",
    },
    // docs.sentry.io, Sentry MCP server
    Retired {
        address: "mcp.sentry.dev/sse",
        what: "Sentry has put another in the place of",
        instead: "https://mcp.sentry.dev/mcp",
        besides: "",
    },
];

/// What to say of an entry, a sentence without a full stop each.
pub fn remarks(found: &Found<'_>) -> Vec<String> {
    let mut remarks = Vec::new();
    let addresses = found
        .launch
        .args
        .iter()
        .filter_map(|arg| Url::parse(arg).ok());
    for url in addresses {
        let address = format!(
            "{}{}",
            url.host_str().unwrap_or_default(),
            url.path().trim_end_matches('/')
        );
        let mut all = RETIRED.iter();
        if let Some(known) = all.find(|known| known.address == address) {
            remarks.push(format!(
                "its address `https://{}` is one that {}; `{}` is in its place{}. The address was not changed",
                known.address, known.what, known.instead, known.besides
            ));
        }
    }
    if found.launch.in_wsl {
        remarks.push(
            "mcp-remote ran in WSL and mcp-drawbridge runs in Windows, so you sign in once more"
                .to_owned(),
        );
    }
    let insecure = found.env.get("NODE_TLS_REJECT_UNAUTHORIZED");
    if insecure.is_some_and(|value| value == "0") {
        remarks.push(
            "`NODE_TLS_REJECT_UNAUTHORIZED` has no effect here; `--ca-file` trusts a certificate of your own"
                .to_owned(),
        );
    }
    remarks
}

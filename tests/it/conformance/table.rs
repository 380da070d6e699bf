//! What is to become of each scenario.

use Host::{Auto, Initialize, Stateless};
use Outcome::{Answered, Refused};

/// The revisions of servers over streamable HTTP.
pub const REVISIONS: &[&str] = &["2025-03-26", "2025-06-18", "2025-11-25", STATELESS];

/// The revision without sessions.
const STATELESS: &str = "2026-07-28";

/// The revisions that extensions are run at: their rules are the same, the wire is not.
pub const OF_EXTENSIONS: &[&str] = &["2025-11-25", STATELESS];

/// How many runs there are with hosts of the server's revision and of `initialize`, and how many
/// more with those that ask. Extra runs do not count.
pub const COUNTED: (usize, usize) = (122, 36);

/// A scenario of the suite.
#[derive(Debug)]
pub struct Scenario {
    pub name: &'static str,
    pub outcome: Outcome,
}

/// What comes of a scenario for the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Everything it asks is answered.
    Answered,
    /// It is told why it cannot be served, and nothing was given away.
    Refused,
}

/// Who stands before the bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Host {
    /// SDK 1.x, which opens with `initialize`.
    Initialize,
    /// SDK 2.x that knows 2026-07-28 only.
    Stateless,
    /// SDK 2.x that asks `server/discover` first, and would fall back to `initialize`.
    Auto,
}

impl Host {
    /// Its name for the driver, which is short enough for a table.
    pub fn name(self) -> &'static str {
        match self {
            Initialize => "initialize",
            Stateless => "stateless",
            Auto => "auto",
        }
    }

    /// The hosts that stand before a server of this revision.
    pub fn before(revision: &str) -> &'static [Host] {
        match revision {
            STATELESS => &[Initialize, Stateless],
            _ => &[Initialize, Auto],
        }
    }
}

impl Scenario {
    /// Whether it is also run, with the host of `initialize`, before servers of an older revision that
    /// it is not of. Those of authorization are: the rules are the same.
    pub fn is_for_all(&self, revision: &str, host: Host) -> bool {
        self.name.starts_with("auth/") && revision != STATELESS && host == Initialize
    }
}

const fn scenario(name: &'static str, outcome: Outcome) -> Scenario {
    Scenario { name, outcome }
}

/// Every scenario for clients that the suite has.
pub const SCENARIOS: &[Scenario] = &[
    scenario("initialize", Answered),
    scenario("tools_call", Answered),
    scenario("elicitation-sep1034-client-defaults", Answered),
    scenario("sse-retry", Answered),
    scenario("json-schema-2020-12-preservation", Answered),
    scenario("auth/metadata-default", Answered),
    scenario("auth/metadata-var1", Answered),
    scenario("auth/metadata-var2", Answered),
    scenario("auth/metadata-var3", Answered),
    scenario("auth/basic-cimd", Answered),
    scenario("auth/scope-from-www-authenticate", Answered),
    scenario("auth/scope-from-scopes-supported", Answered),
    scenario("auth/scope-omitted-when-undefined", Answered),
    scenario("auth/scope-step-up", Answered),
    // The server refuses whatever token it is shown.
    scenario("auth/scope-retry-limit", Refused),
    scenario("auth/token-endpoint-auth-basic", Answered),
    scenario("auth/token-endpoint-auth-post", Answered),
    scenario("auth/token-endpoint-auth-none", Answered),
    scenario("auth/pre-registration", Answered),
    scenario("auth/2025-03-26-oauth-metadata-backcompat", Answered),
    scenario("auth/2025-03-26-oauth-endpoint-fallback", Answered),
    scenario("auth/resource-mismatch", Refused),
    scenario("auth/offline-access-scope", Answered),
    scenario("auth/offline-access-not-supported", Answered),
    scenario("auth/authorization-server-migration", Answered),
    scenario("auth/iss-supported", Answered),
    scenario("auth/iss-not-advertised", Answered),
    scenario("auth/iss-supported-missing", Refused),
    scenario("auth/iss-wrong-issuer", Refused),
    scenario("auth/iss-unexpected", Refused),
    scenario("auth/iss-normalized", Refused),
    scenario("auth/metadata-issuer-mismatch", Refused),
    scenario("auth/client-credentials-jwt", Answered),
    scenario("auth/client-credentials-basic", Answered),
    scenario("auth/enterprise-managed-authorization", Answered),
    scenario("auth/dpop", Answered),
    scenario("auth/dpop-nonce", Answered),
    scenario("auth/wif-jwt-bearer", Answered),
    scenario("request-metadata", Answered),
    scenario("sep-2322-client-request-state", Answered),
    scenario("http-standard-headers", Answered),
    scenario("http-custom-headers", Answered),
    scenario("http-invalid-tool-headers", Answered),
    scenario("json-schema-ref-no-deref", Answered),
    scenario("sep-2640-client-no-prefetch", Answered),
    scenario("sep-2640-client-verify-digest", Answered),
    scenario("sep-2640-client-verify-size", Answered),
    scenario("sep-2640-client-verify-frontmatter", Answered),
];

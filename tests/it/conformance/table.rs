//! What is to become of each scenario.

/// The revisions of hosts and servers that begin with `initialize` over streamable HTTP.
pub const REVISIONS: &[&str] = &["2025-03-26", "2025-06-18", "2025-11-25"];

/// Whether the scenarios of authorization are also run at the revisions that they are not of: the rules are the same.
pub const RULES_FOR_ALL: bool = true;

/// A scenario of the suite.
#[derive(Debug)]
pub struct Scenario {
    pub name: &'static str,
    pub host: Host,
}

/// Who stands before the bridge, and what comes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    /// One of `initialize`; everything it asks is answered.
    Answered,
    /// One of `initialize`; it is told why it cannot be served, and nothing was given away.
    Refused,
    /// One of 2026-07-28 alone: what is looked at is the wire of that revision.
    Modern,
}

use Host::{Answered, Modern, Refused};

const fn scenario(name: &'static str, host: Host) -> Scenario {
    Scenario { name, host }
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
    scenario("request-metadata", Modern),
    scenario("sep-2322-client-request-state", Modern),
    scenario("http-standard-headers", Modern),
    scenario("http-custom-headers", Modern),
    scenario("http-invalid-tool-headers", Modern),
    scenario("json-schema-ref-no-deref", Modern),
    scenario("sep-2640-client-no-prefetch", Modern),
    scenario("sep-2640-client-verify-digest", Modern),
    scenario("sep-2640-client-verify-size", Modern),
    scenario("sep-2640-client-verify-frontmatter", Modern),
];

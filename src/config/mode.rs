//! Which way of authorization is active: the one place that decides it.

use crate::cli::UsageError;
use crate::oauth::mode::AuthMode;

/// Something configured that makes sense in one mode only.
pub(super) struct Claim {
    /// The mode.
    pub mode: AuthMode,
    /// What was configured, as messages call it.
    pub origin: String,
}

impl Claim {
    pub fn new(mode: AuthMode, origin: impl Into<String>) -> Self {
        let origin = origin.into();
        Self { mode, origin }
    }
}

/// The mode that everything configured agrees on; by default a person signs in with a browser.
pub(super) fn choose(claims: &[Claim]) -> Result<AuthMode, UsageError> {
    let Some(first) = claims.first() else {
        return Ok(AuthMode::OAuth);
    };
    match claims.iter().find(|claim| claim.mode != first.mode) {
        Some(other) => Err(UsageError::new(format!(
            "{} and {} exclude each other: the first is for the mode `{}`, the second for `{}`",
            first.origin, other.origin, first.mode, other.mode
        ))
        .with_hint("leave out one of them; a server is used in one way at a time")),
        None => Ok(first.mode),
    }
}

/// What asks for a mode in mcp-remote, the strongest first: the header is sent whatever else is given,
/// and a code for devices is asked for before a token for the client.
const OF_MCP_REMOTE: [&str; 3] = [HEADER, "`--device-code`", "`--client-credentials`"];

/// How messages call a token among the headers.
pub(super) const HEADER: &str = "an `Authorization` header";

/// Leaves out the claims that have no effect in mcp-remote, and says so. Where something else is
/// configured besides, nothing is left out.
pub(super) fn settle(claims: &mut Vec<Claim>) -> Vec<String> {
    let rank = |claim: &Claim| {
        OF_MCP_REMOTE
            .iter()
            .position(|known| *known == claim.origin)
    };
    let ranks: Option<Vec<usize>> = claims.iter().map(rank).collect();
    let Some(first) = ranks.and_then(|ranks| ranks.into_iter().min()) else {
        return Vec::new();
    };
    let (kept, dropped): (Vec<Claim>, Vec<Claim>) = std::mem::take(claims)
        .into_iter()
        .partition(|claim| rank(claim) == Some(first));
    *claims = kept;
    let useless = |claim: Claim| {
        let (origin, first) = (claim.origin, OF_MCP_REMOTE[first]);
        format!("{origin} has no effect, since {first} is given")
    };
    dropped.into_iter().map(useless).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_configured_means_a_browser() {
        assert_eq!(choose(&[]), Ok(AuthMode::OAuth));
    }

    #[test]
    fn claims_of_one_mode_agree() {
        let claims = [
            Claim::new(AuthMode::Enterprise, "`--idp-issuer`"),
            Claim::new(AuthMode::Enterprise, "`--idp-client-id`"),
        ];
        assert_eq!(choose(&claims), Ok(AuthMode::Enterprise));
    }

    #[test]
    fn two_modes_are_an_error_that_names_both() {
        let claims = [
            Claim::new(AuthMode::Device, "`--device-code`"),
            Claim::new(AuthMode::Workload, "`MCP_DRAWBRIDGE_WORKLOAD_JWT_FILE`"),
        ];
        assert_eq!(
            choose(&claims).unwrap_err().to_string(),
            "`--device-code` and `MCP_DRAWBRIDGE_WORKLOAD_JWT_FILE` exclude each other: the first is for the mode `device`, the second for `workload`"
        );
    }

    #[test]
    fn of_what_mcp_remote_takes_together_the_strongest_counts() {
        let settled = |origins: &[&str]| {
            let mode = |origin: &str| match origin {
                HEADER => AuthMode::Bearer,
                "`--device-code`" => AuthMode::Device,
                "`--client-credentials`" => AuthMode::ClientCredentials,
                _ => AuthMode::Workload,
            };
            let claims = origins.iter();
            let mut claims = claims
                .map(|origin| Claim::new(mode(origin), *origin))
                .collect();
            let warnings = settle(&mut claims);
            (choose(&claims).ok(), warnings.join("; "))
        };
        let (header, device, credentials) = (HEADER, "`--device-code`", "`--client-credentials`");
        for (origins, mode, warnings) in [
            (&[][..], Some(AuthMode::OAuth), ""),
            (&[device], Some(AuthMode::Device), ""),
            (
                &[credentials, device],
                Some(AuthMode::Device),
                "`--client-credentials` has no effect, since `--device-code` is given",
            ),
            (
                &[header, device],
                Some(AuthMode::Bearer),
                "`--device-code` has no effect, since an `Authorization` header is given",
            ),
            (&[device, "`--workload-jwt-file`"], None, ""),
        ] {
            assert_eq!(settled(origins), (mode, warnings.to_owned()), "{origins:?}");
        }
    }
}

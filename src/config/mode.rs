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
}

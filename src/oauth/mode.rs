//! In which way requests to a server are authorized.

use std::fmt;

/// How requests to the remote server are authorized. Exactly one is active for a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuthMode {
    /// By a credential that the user configured; it is never refreshed.
    Bearer,
    /// By a person in a browser (RFC 6749 §4.1), as soon as the server asks for it.
    #[default]
    OAuth,
    /// By a refresh token that the user configured (RFC 6749 §6): nobody is asked.
    Seeded,
    /// By a person who confirms a code on any device (RFC 8628).
    Device,
    /// By the client's own credentials (RFC 6749 §4.4): there is no user.
    ClientCredentials,
    /// By what the user's organisation says of them (ID-JAG: RFC 8693, then RFC 7523 §2.1).
    Enterprise,
    /// By what the platform says of the workload (RFC 7523 §2.1).
    Workload,
}

impl AuthMode {
    const ALL: [Self; 7] = [
        Self::Bearer,
        Self::OAuth,
        Self::Seeded,
        Self::Device,
        Self::ClientCredentials,
        Self::Enterprise,
        Self::Workload,
    ];

    /// The name, as `status` shows it and the cache has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bearer => "bearer",
            Self::OAuth => "oauth",
            Self::Seeded => "oauth-seeded",
            Self::Device => "device",
            Self::ClientCredentials => "client-credentials",
            Self::Enterprise => "enterprise",
            Self::Workload => "workload",
        }
    }

    /// The mode of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.name() == name)
    }

    /// Whether a new token is to be had without a person at any time, so that none is ever asked.
    pub fn is_unattended(self) -> bool {
        matches!(
            self,
            Self::ClientCredentials | Self::Enterprise | Self::Workload
        )
    }
}

impl fmt::Display for AuthMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mode_has_a_name_of_its_own() {
        for mode in AuthMode::ALL {
            assert_eq!(AuthMode::from_name(mode.name()), Some(mode));
        }
        for other in ["magic", "Bearer", "OAuth", ""] {
            assert_eq!(AuthMode::from_name(other), None, "{other}");
        }
    }

    #[test]
    fn nobody_is_asked_where_a_new_token_is_to_be_had_at_any_time() {
        let unattended = AuthMode::ALL
            .into_iter()
            .filter(|mode| mode.is_unattended());
        let names: Vec<&str> = unattended.map(AuthMode::name).collect();
        assert_eq!(names, ["client-credentials", "enterprise", "workload"]);
    }
}

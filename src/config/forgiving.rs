//! Which mistakes are left at a warning: those in arguments, where mcp-remote goes on as well.

use super::given::{Given, Lookup};
use crate::cli::{Tolerance, UsageError};

impl Lookup<'_> {
    /// The same for arguments that are taken as mcp-remote takes them.
    pub fn taking(mut self, tolerance: &Tolerance) -> Self {
        self.is_lenient = tolerance.is_lenient;
        self
    }

    /// Whether flags may be wrong where mcp-remote goes on with a warning.
    pub fn is_lenient(&self) -> bool {
        self.is_lenient
    }

    /// Whether a mistake in this value may be left at a warning: those in variables of ours and in the
    /// configuration file may not.
    pub fn forgives(&self, given: &Given) -> bool {
        self.is_lenient && given.origin.starts_with("`--")
    }

    /// What was read of a value. A mistake that may be forgiven becomes a warning: `instead` is what
    /// counts in place of the value.
    pub fn forgive<T>(
        &self,
        given: &Given,
        read: Result<T, UsageError>,
        instead: &str,
    ) -> Result<Option<T>, UsageError> {
        match read {
            Ok(value) => Ok(Some(value)),
            Err(error) if self.forgives(given) => {
                self.warn(format!("{error}; {instead} counts in its place"));
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// A number of seconds, no longer than can be asked for where that is forgiven.
    pub fn clamped(&self, given: &Given) -> Given {
        match self.forgives(given) {
            true => given.clone().at_most_longest(),
            false => given.clone(),
        }
    }

    /// Notes what the user should know.
    pub fn warn(&self, warning: String) {
        let mut forgiven = self.forgiven.borrow_mut();
        if !forgiven.contains(&warning) {
            forgiven.push(warning);
        }
    }

    /// What the user should know.
    pub fn take_warnings(&self) -> Vec<String> {
        self.forgiven.take()
    }
}

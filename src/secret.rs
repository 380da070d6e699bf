//! [`Secret`]: a value that grants access and does not print.

use std::fmt;

use zeroize::Zeroize;

/// A value that grants access. No `Display`, no `Serialize`; `Debug` writes `[redacted]`, and the memory is wiped on drop.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value so that it can no longer be printed by accident.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The one door out: every use of it is a place to review.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether both hold the same value; the time taken does not depend on where they differ.
    pub fn matches(&self, other: &str) -> bool {
        let (ours, theirs) = (self.0.as_bytes(), other.as_bytes());
        ours.len() == theirs.len()
            && ours
                .iter()
                .zip(theirs)
                .fold(0, |difference, (a, b)| difference | (a ^ b))
                == 0
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.matches(&other.0)
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn debug_output_hides_the_value() {
        assert_eq!(format!("{:?}", Secret::new("ACCESS_TOKEN_1")), "[redacted]");
    }

    #[test]
    fn only_the_same_value_matches() {
        let secret = Secret::new("ACCESS_TOKEN_1");
        assert!(secret.matches("ACCESS_TOKEN_1"));
        assert!(!secret.matches("ACCESS_TOKEN_2"));
        assert!(!secret.matches("ACCESS_TOKEN_"));
    }
}

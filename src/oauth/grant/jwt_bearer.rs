//! A signed statement of somebody the authorization server trusts, for a token (RFC 7523 §2.1).

use super::Form;
use crate::secret::Secret;

/// The `grant_type`.
pub const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// RFC 7523 §2.1.
pub fn form<'a>(assertion: &'a Secret, scopes: &[String]) -> Form<'a> {
    let mut form: Form<'a> = vec![
        ("grant_type", GRANT.into()),
        ("assertion", assertion.expose().into()),
    ];
    form.extend(super::scope(scopes));
    form
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_assertion_goes_as_it_is() {
        let assertion = Secret::new("H.P.S");
        let expected = [
            (
                "grant_type",
                "urn:ietf:params:oauth:grant-type:jwt-bearer".into(),
            ),
            ("assertion", "H.P.S".into()),
            ("scope", "read".into()),
        ];
        assert_eq!(form(&assertion, &["read".to_owned()]), expected);
        assert_eq!(form(&assertion, &[]), expected[..2]);
    }
}

//! A client's own credentials for a token (RFC 6749 §4.4; MCP extension
//! `io.modelcontextprotocol/oauth-client-credentials`).

use super::Form;

/// The `grant_type`.
pub const GRANT: &str = "client_credentials";

/// RFC 6749 §4.4.2.
pub fn form(scopes: &[String]) -> Form<'static> {
    let mut form: Form<'static> = vec![("grant_type", GRANT.into())];
    form.extend(super::scope(scopes));
    form
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_named_only_where_there_are_some() {
        assert_eq!(form(&[]), [("grant_type", "client_credentials".into())]);
        let scopes = ["read".to_owned(), "write".to_owned()];
        assert_eq!(
            form(&scopes),
            [
                ("grant_type", "client_credentials".into()),
                ("scope", "read write".into())
            ]
        );
    }
}

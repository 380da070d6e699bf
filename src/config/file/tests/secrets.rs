use super::*;

fn warned(world: World) -> Vec<String> {
    taken(&world, &[SERVER]).base.warnings
}

fn file(members: &str) -> World {
    world(format!(r#"{{"mcpServers":{{"it":{{{members}}}}}}}"#))
}

#[test]
fn a_secret_that_others_can_read_is_worth_a_warning() {
    for (members, name) in [
        (
            r#""oauth":{"client_id":"c","client_secret":"SECRET_1"}"#,
            "client_secret",
        ),
        (r#""oauth":{"client-secret":"SECRET_1"}"#, "client-secret"),
        (
            r#""headers":{"X-A":"1","authorization":"Bearer SECRET_1"}"#,
            "authorization",
        ),
        (r#""headers":{"X-Api-Key":"SECRET_1"}"#, "X-Api-Key"),
        (r#""header":["X-A: 1","Authorization: SECRET_1"]"#, "header"),
        (r#""header":"Cookie: SECRET_1""#, "header"),
        (
            r#""static_oauth_client_info":{"client_secret":"SECRET_1"}"#,
            "client_secret",
        ),
        (
            r#""static-oauth-client-info":"{\"client_secret\":\"SECRET_1\"}""#,
            "static-oauth-client-info",
        ),
        (
            r#""proxy":"http://me:SECRET_1@proxy.example:3128""#,
            "proxy",
        ),
    ] {
        let warnings = warned(file(members).shared(0o644));
        assert_eq!(
            warnings,
            [format!(
                "other users can read `{CONFIG_FILE}` (mode 644), which holds a secret in `{name}`; run `chmod 600` on it, or write `${{VAR}}` in place of the secret"
            )],
            "{members}"
        );
        assert!(warned(file(members)).is_empty(), "{members}");
    }
    let defaults = r#"{"defaults":{"headers":{"X-Token":"SECRET_1"}}}"#;
    assert_eq!(warned(world(defaults).shared(0o640)).len(), 1);
}

#[test]
fn others_may_read_a_file_without_a_secret() {
    for members in [
        r#""oauth":{"client_id":"c","client_secret":"${S}"}"#,
        r#""headers":{"Authorization":"Bearer ${S}","X-Region":"eu","X-Key":""}"#,
        r#""header":["Authorization: Bearer ${S}","X-A: 1"]"#,
        r#""static_oauth_client_info":"@client_secret.json""#,
        r#""proxy":"http://me:${S}@proxy.example:3128""#,
        r#""no_proxy":["a@b"],"url":"https://mcp.example.com/""#,
    ] {
        assert!(warned(file(members).shared(0o644)).is_empty(), "{members}");
    }
}

#[test]
fn printing_a_configuration_from_a_file_shows_no_secret() {
    let members =
        r#","headers":{"X-Key":"SECRET_1"},"oauth":{"client_id":"c","client_secret":"SECRET_2"}"#;
    let shown = format!("{:?}", it(members));
    assert!(!shown.contains("SECRET"), "{shown}");
}

use super::*;

#[test]
fn a_missing_file_is_fine_unless_it_was_named() {
    let none = World::default();
    assert!(taken(&none, &[SERVER]).base.warnings.is_empty());
    let (message, _) = refused(&none, &[SERVER, "--config", "no.json"]);
    assert!(
        message.starts_with("the file `no.json` of `--config` cannot be read: "),
        "{message}"
    );
    let named = none.var("MCP_DRAWBRIDGE_CONFIG", "no.json");
    let (message, _) = refused(&named, &[SERVER]);
    assert!(
        message.starts_with("the file `no.json` of `MCP_DRAWBRIDGE_CONFIG` cannot be read: "),
        "{message}"
    );
    let (message, _) = refused(&named, &[SERVER, "--config", ""]);
    assert_eq!(message, "`--config` names no file");
}

#[test]
fn a_flag_names_another_file_than_the_variable_and_both_than_the_usual_one() {
    let file = |path: &str| format!(r#"{{"defaults":{{"callback_path":"/{path}"}}}}"#);
    let world = world(file("usual"))
        .file("flag.json", file("flag"))
        .file("variable.json", file("variable"));
    let path = |world: &World, args: &[&str]| taken(world, args).callback.path;
    assert_eq!(path(&world, &[SERVER]), "/usual");
    let world = world.var("MCP_DRAWBRIDGE_CONFIG", "variable.json");
    assert_eq!(path(&world, &[SERVER]), "/variable");
    assert_eq!(path(&world, &[SERVER, "--config", "flag.json"]), "/flag");
}

#[test]
fn every_command_reads_the_file() {
    let world = World::default().file("c.json", r#"{"defaults":{"silent":true}}"#);
    for args in [
        &[SERVER][..],
        &["login", SERVER],
        &["logout", "--all"],
        &["status"],
    ] {
        let job = world.job(&[args, &["--config", "c.json"]].concat());
        assert_eq!(job.expect("a job").base().level, Level::Silent, "{args:?}");
    }
}

#[test]
fn files_that_the_file_names_are_looked_for_beside_it() {
    let key = rcgen::KeyPair::generate().expect("a key");
    let pem = rcgen::CertificateParams::default().self_signed(&key);
    let pem = pem.expect("a certificate").pem();
    let client = r#"{"client_id":"${ID}"}"#;
    let file = r#"{"defaults":{"ca_file":"ca.pem","header_file":["h.txt","/abs/h.txt"],
        "static_oauth_client_info":"@${SUB}/client.json"}}"#;
    let world = World::default()
        .var("SUB", "sub")
        .var("ID", "c1")
        .file("/etc/bridge/c.json", file)
        .file("/etc/bridge/ca.pem", &pem)
        .file("/etc/bridge/h.txt", "X-A: 1")
        .file("/abs/h.txt", "X-B: 2")
        .file("/etc/bridge/sub/client.json", client);
    let config = taken(&world, &[SERVER, "--config", "/etc/bridge/c.json"]);
    assert_eq!(config.http.roots.certificates().len(), 1);
    assert_eq!(config.headers.len(), 2);
    assert_eq!(config.client.expect("a client").client_id, "c1");
}

#[test]
fn the_folder_of_the_sign_ins_can_be_chosen_for_all_servers_only() {
    let file = |dir: &str| world(format!(r#"{{"defaults":{{"dir":"{dir}"}}}}"#));
    let dir = |world: &World, args: &[&str]| {
        let job = world.job(args).expect("a job");
        let dir = job.base().dir.as_ref().expect("a folder");
        dir.to_string_lossy().into_owned()
    };
    assert_eq!(dir(&file("/srv/x"), &["status"]), "/srv/x");
    // What is relative lies beside the file.
    assert_eq!(
        dir(&file("x"), &[SERVER]),
        "/home/me/.config/mcp-drawbridge/x"
    );
    let both = file("/srv/x").var("MCP_DRAWBRIDGE_DIR", "/srv/y");
    assert_eq!(dir(&both, &[SERVER]), "/srv/y");
    assert_eq!(
        refusal(r#","dir":"/srv/x""#),
        of_it("dir", "is the folder of all sign-ins")
    );
}

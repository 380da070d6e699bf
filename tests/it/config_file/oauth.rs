//! Each member of an entry's `oauth` object, by what it does at the server.

use std::collections::BTreeSet;
use std::fs;

use std::path::Path;
use std::process::{Output, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use playground::{
    AuthMethod, Dpop, IdentityProvider, IssInCallback, Pkce, Playground, Registration, Request,
    Settings, StaticClient,
};
use serde_json::{Value, json};

use super::{configure, entry, run, stderr};
use crate::clients::{PUBLIC_KEY, key_file};
use crate::support::machine::Machine;

const DOCUMENT: &str = "https://client.example.com/mcp.json";

fn client(id: &str, secret: Option<&str>, auth_method: AuthMethod) -> StaticClient {
    StaticClient {
        id: id.to_owned(),
        secret: secret.map(str::to_owned),
        auth_method,
        // RFC 8252 §7.3: any port.
        redirect_uris: vec![
            "http://127.0.0.1/oauth/callback".to_owned(),
            "http://127.0.0.1/cb/x".to_owned(),
        ],
    }
}

/// A server that knows this client, and lets nobody register.
fn knowing(client: StaticClient) -> Settings {
    Settings {
        registration: Registration::Off,
        clients: vec![client],
        ..Settings::default()
    }
}

fn public() -> Settings {
    knowing(client("mine", None, AuthMethod::None))
}

/// One entry at one server: `login`, and what came of it.
struct Row {
    playground: Playground,
    machine: Machine,
    folder: tempfile::TempDir,
    file: String,
    environment: Vec<(&'static str, String)>,
}

/// The members that rows have had.
#[derive(Default)]
struct Seen(BTreeSet<String>);

impl Seen {
    /// Signs in with what `oauth` gives for this server and folder.
    fn row(&mut self, settings: Settings, oauth: impl FnOnce(&Playground, &Path) -> Value) -> Row {
        let (playground, machine) = (Playground::start(settings), Machine::new());
        let folder = tempfile::tempdir().expect("a folder");
        let oauth = oauth(&playground, folder.path());
        let members = oauth.as_object().expect("an object").keys().cloned();
        self.0.extend(members);
        let file = configure(&machine, entry(&playground, json!({ "oauth": oauth })));
        Row {
            playground,
            machine,
            folder,
            file,
            environment: Vec::new(),
        }
    }
}

impl Row {
    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.environment.push((name, value.to_owned()));
        self
    }

    fn run(&self, command: &str) -> Output {
        let mut process = self.machine.command();
        process.args([command, "notion", "--config", &self.file]);
        let variables = self.environment.iter().map(|(name, value)| (name, value));
        process.envs(variables).stdin(Stdio::null());
        process.env("MCP_DRAWBRIDGE_HOST", "127.0.0.1");
        process.env("MCP_DRAWBRIDGE_AUTH_TIMEOUT", "60");
        process.output().expect("the program starts")
    }

    fn signs_in(self) -> Self {
        let output = self.run("login");
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(!stderr(&output).contains("SECRET"), "{}", stderr(&output));
        self
    }

    /// The last request to a path that ends so.
    fn last(&self, path: &str) -> Request {
        let requests = self.playground.requests();
        let last = requests.into_iter().rfind(|one| one.path.ends_with(path));
        last.unwrap_or_else(|| panic!("nothing came to {path}"))
    }

    fn authorize(&self, name: &str) -> Option<String> {
        self.last("/authorize").parameter(name)
    }

    fn token(&self, name: &str) -> Option<String> {
        self.last("/token").parameter(name)
    }
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// Parts of a JWT.
fn jwt(token: &str) -> (Value, Value) {
    let mut parts = token.split('.').map(|part| {
        let bytes = URL_SAFE_NO_PAD.decode(part).expect("base64url");
        serde_json::from_slice(&bytes).unwrap_or(Value::Null)
    });
    (
        parts.next().expect("a header"),
        parts.next().expect("claims"),
    )
}

#[test]
fn each_member_of_the_oauth_object_has_its_effect() {
    let mut seen = Seen::default();
    clients(&mut seen);
    requests(&mut seen);
    rules(&mut seen);
    unattended(&mut seen);
    // All that there are stand in the message about one that is none.
    let machine = Machine::new();
    let playground = Playground::start(Settings::open());
    let path = configure(
        &machine,
        entry(&playground, json!({ "oauth": { "zzzzzzzzz": 1 } })),
    );
    let told = stderr(&run(&machine, &["notion", "--config", &path]));
    let (_, known) = told.split_once("`oauth` may have ").expect("a list");
    let known: BTreeSet<String> = known
        .trim()
        .split(", ")
        .map(|name| name.trim_matches('`').to_owned())
        .collect();
    assert_eq!(seen.0, known);
}

/// Who asks.
fn clients(seen: &mut Seen) {
    let row = seen.row(
        knowing(client("mine", Some("SECRET_1"), AuthMethod::Post)),
        |_, _| {
            json!({ "client_id": "mine", "client_secret": "${S}", "token_endpoint_auth_method": "client_secret_post" })
        },
    );
    let row = row.with("S", "SECRET_1").signs_in();
    assert_eq!(row.token("client_secret"), some("SECRET_1"));
    assert_eq!(row.authorize("client_id"), some("mine"));

    let settings = knowing(client("mine", Some("SECRET_2"), AuthMethod::Basic));
    let row = seen.row(
        settings,
        |_, _| json!({ "client_id": "mine", "client_secret_env": "MY_SECRET" }),
    );
    let row = row.with("MY_SECRET", "SECRET_2").signs_in();
    let basic = row.last("/token").basic().expect("a header");
    assert_eq!(basic, ("mine".to_owned(), "SECRET_2".to_owned()));

    let settings = Settings {
        client_documents: true,
        ..knowing(client(DOCUMENT, None, AuthMethod::None))
    };
    let row = seen.row(settings, |_, _| json!({ "client_metadata_url": DOCUMENT }));
    assert_eq!(row.signs_in().authorize("client_id"), some(DOCUMENT));

    let settings = knowing(client("mine", Some(PUBLIC_KEY), AuthMethod::PrivateKeyJwt));
    let row = seen.row(settings, |_, folder| {
        json!({
            "client_id": "mine",
            "client_assertion_key": key_file(folder),
            "client_assertion_alg": "ES256",
            "client_assertion_kid": "k1",
        })
    });
    let row = row.signs_in();
    let (header, claims) = jwt(&row.token("client_assertion").expect("an assertion"));
    assert_eq!(
        (&header["alg"], &header["kid"]),
        (&json!("ES256"), &json!("k1"))
    );
    assert_eq!(claims["aud"], row.playground.issuer());
    let settings = knowing(client("mine", Some(PUBLIC_KEY), AuthMethod::PrivateKeyJwt));
    let row = seen.row(settings, |_, folder| {
        json!({
            "client_id": "mine",
            "client_assertion_key": key_file(folder),
            "client_assertion_audience": "token-endpoint",
        })
    });
    // The playground takes its issuer alone.
    assert_ne!(row.run("login").status.code(), Some(0));
    let (_, claims) = jwt(&row.token("client_assertion").expect("an assertion"));
    assert_eq!(claims["aud"], format!("{}/token", row.playground.issuer()));

    for (member, value) in [
        ("initial_access_token", "${INVITATION}"),
        ("initial_access_token_env", "INVITATION"),
    ] {
        let settings = Settings {
            initial_access_token: some("SECRET_3"),
            ..Settings::default()
        };
        let row = seen.row(settings, |_, _| json!({ member: value }));
        let row = row.with("INVITATION", "SECRET_3").signs_in();
        assert_eq!(row.last("/register").bearer(), Some("SECRET_3"));
    }
}

/// What is asked for.
fn requests(seen: &mut Seen) {
    let port = playground::free_port().expect("a port");
    let redirect_uri = format!("http://127.0.0.1:{port}/cb/x");
    let row = seen.row(public(), |_, _| {
        json!({
            "client_id": "mine",
            "redirect_uri": redirect_uri,
            "scopes": ["tools", "admin"],
            "audience": "https://api.example",
            "extra_auth_params": { "team": "T1" },
            "extra_token_params": { "tenant": "t" },
        })
    });
    let row = row.signs_in();
    assert_eq!(row.authorize("redirect_uri"), Some(redirect_uri.clone()));
    assert_eq!(row.token("redirect_uri"), Some(redirect_uri));
    assert_eq!(row.authorize("scope"), some("tools admin"));
    assert_eq!(row.authorize("audience"), some("https://api.example"));
    assert_eq!(row.authorize("team"), some("T1"));
    assert_eq!(row.token("tenant"), some("t"));

    let row = seen.row(
        Settings::default(),
        |at, _| json!({ "resource": at.mcp_url() }),
    );
    let url = row.playground.mcp_url();
    assert_eq!(row.signs_in().authorize("resource"), Some(url));
    let none = seen.row(Settings::default(), |_, _| json!({ "resource": "" }));
    none.playground.change(|settings| {
        settings.resource_parameter = playground::ResourceParameter::Refused;
    });
    assert_eq!(none.signs_in().authorize("resource"), None);
}

/// Which rules are bent, and which are added.
fn rules(seen: &mut Seen) {
    let settings = Settings {
        pkce: Pkce::Refused,
        ..Settings::default()
    };
    let row = seen
        .row(settings, |_, _| json!({ "use_pkce": false }))
        .signs_in();
    assert_eq!(row.authorize("code_challenge"), None);

    // No metadata is read, so that only the member says where tokens are revoked.
    let row = seen.row(public(), |at, _| {
        let issuer = at.issuer();
        json!({
            "client_id": "mine",
            "authorization_url": format!("{issuer}/authorize"),
            "token_url": format!("{issuer}/token"),
            "revocation_url": format!("{issuer}/revoke"),
            "resource": at.mcp_url(),
        })
    });
    let row = row.signs_in();
    let requests = row.playground.requests();
    assert!(!requests.iter().any(|one| one.path.contains(".well-known")));
    // Its name says nothing; the address was remembered with the sign-in.
    let name = row.machine.sign_in_file();
    let name = name
        .file_name()
        .expect("a name")
        .to_string_lossy()
        .into_owned();
    let name = name.trim_end_matches(".token.json");
    let ended = run(&row.machine, &["logout", name]);
    assert_eq!(ended.status.code(), Some(0), "{}", stderr(&ended));
    assert_eq!(row.playground.revocations(), 1);

    let other = "https://as.example.com";
    let renamed = || Settings {
        metadata_issuer: some(other),
        iss_in_callback: IssInCallback::Absent,
        iss_advertised: false,
        ..Settings::default()
    };
    let row = seen
        .row(renamed(), |_, _| json!({ "issuer": other }))
        .signs_in();
    assert_eq!(row.machine.sign_in()["issuer"], other);
    let without = seen.row(renamed(), |_, _| json!({}));
    assert_ne!(without.run("login").status.code(), Some(0));

    // That server insists on bound tokens.
    for (mode, is_bound) in [("always", true), ("never", false)] {
        let settings = Settings {
            dpop: Dpop::offered(),
            ..Settings::default()
        };
        let row = seen.row(settings, |_, _| json!({ "dpop": mode }));
        assert_eq!(row.run("login").status.success(), is_bound, "{mode}");
        let requests = row.playground.requests();
        let proved = |one: &&Request| one.path == "/token" && one.header("dpop").is_some();
        assert_eq!(
            requests.iter().filter(proved).count(),
            usize::from(is_bound),
            "{mode}"
        );
    }

    // The playground issues none, and the access token is not sent in its place.
    let row = seen.row(Settings::default(), |_, _| json!({ "use_id_token": true }));
    let told = stderr(&row.run("login"));
    assert!(told.contains("issued no ID token"), "{told}");
    let requests = row.playground.requests();
    let mut scopes = requests.iter().filter_map(|one| one.parameter("scope"));
    assert!(scopes.any(|scope| scope.split(' ').any(|one| one == "openid")));
}

/// Nobody is asked.
fn unattended(seen: &mut Seen) {
    let settings = Settings {
        client_credentials: true,
        ..knowing(client("mine", Some("SECRET_1"), AuthMethod::Basic))
    };
    let row = seen.row(settings, |_, _| {
        json!({ "grant": "client_credentials", "client_id": "mine", "client_secret": "SECRET_1" })
    });
    assert_eq!(
        row.signs_in().token("grant_type"),
        some("client_credentials")
    );

    for (member, in_file) in [
        ("workload_jwt_file", "jwt"),
        ("workload_jwt_env", "MY_JWT"),
        ("workload_jwt_command", "cat"),
    ] {
        let settings = Settings {
            workloads: vec!["JWT.1.x".to_owned()],
            ..Settings::default()
        };
        let row = seen.row(settings, |_, folder| {
            let path = folder.join("jwt");
            fs::write(&path, "JWT.1.x\n").expect("written");
            let path = path.display().to_string();
            json!({ member: match in_file {
                "jwt" => json!(path),
                "cat" => json!(["cat", path]),
                name => json!(name),
            } })
        });
        let row = row.with("MY_JWT", "JWT.1.x").signs_in();
        assert_eq!(row.token("assertion"), some("JWT.1.x"), "{member}");
        assert!(row.folder.path().exists() && row.machine.opened().is_empty());
    }

    for (secret, value, address) in [
        ("idp_client_secret", "${IDP}", "idp_issuer"),
        ("idp_client_secret_env", "IDP", "idp_token_url"),
    ] {
        let settings = Settings {
            identity_provider: Some(IdentityProvider {
                client_id: "at-idp".to_owned(),
                id_token: "ID.TOKEN.1".to_owned(),
                allows: true,
            }),
            ..knowing(client("mine", Some("SECRET_1"), AuthMethod::Basic))
        };
        let row = seen.row(settings, |at, folder| {
            let path = folder.join("id_token");
            fs::write(&path, "ID.TOKEN.1").expect("written");
            let issuer = format!("{}/idp", at.issuer());
            json!({
                "client_id": "mine",
                "client_secret": "SECRET_1",
                "idp_client_id": "at-idp",
                "idp_id_token_file": path.display().to_string(),
                secret: value,
                address: match address {
                    "idp_issuer" => issuer,
                    _ => format!("{issuer}/token"),
                },
            })
        });
        let row = row.with("IDP", "SECRET_2");
        let output = row.run("login");
        let asked = row.last("/idp/token");
        assert_eq!(
            asked.parameter("subject_token"),
            some("ID.TOKEN.1"),
            "{}",
            stderr(&output)
        );
        let proved = asked.basic().map(|(_, secret)| secret);
        let proved = proved.or(asked.parameter("client_secret"));
        assert_eq!(proved, some("SECRET_2"), "{secret}");
        let discovered = row.playground.requests();
        let discovered = discovered
            .iter()
            .any(|one| one.path.ends_with("/idp") && one.method == "GET");
        assert_eq!(discovered, address == "idp_issuer");
    }

    let first = seen
        .row(public(), |_, _| json!({ "client_id": "mine" }))
        .signs_in();
    let token = first.machine.sign_in()["refresh_token"]
        .as_str()
        .expect("a token")
        .to_owned();
    let (machine, oauth) = (
        Machine::new(),
        json!({ "client_id": "mine", "refresh_token": "${SEED}" }),
    );
    seen.0.insert("refresh_token".to_owned());
    let file = configure(
        &machine,
        entry(&first.playground, json!({ "oauth": oauth })),
    );
    let mut login = machine.command();
    login
        .args(["login", "notion", "--config", &file])
        .env("SEED", &token);
    let output = login.stdin(Stdio::null()).output().expect("it starts");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(machine.opened().is_empty());
    assert_eq!(first.token("refresh_token"), Some(token));
}

#[test]
fn a_member_that_cannot_be_meant_is_told_with_its_place_and_what_is_allowed() {
    let playground = Playground::start(Settings::open());
    let machine = Machine::new();
    for (oauth, told) in [
        (
            json!("x"),
            "`oauth` of `notion` in `FILE` is a text; it must be an object",
        ),
        (
            json!({ "scopes": 1.5, "client_id": 7 }),
            "`oauth.client_id` of `notion` in `FILE` is a number; it must be a text",
        ),
        (
            json!({ "use_pkce": "no" }),
            "`oauth.use_pkce` of `notion` in `FILE` is a text; it must be `true` or `false`",
        ),
        (
            json!({ "dpop": "maybe" }),
            "`oauth.dpop` of `notion` in `FILE` is `maybe`; it must be `auto`, `always` or `never`",
        ),
        (
            json!({ "grant": "magic" }),
            "`oauth.grant` of `notion` in `FILE` is `magic`; it must be `authorization_code`, `device_code`",
        ),
        (
            json!({ "token_url": "ftp://as.example/" }),
            "`oauth.token_url` of `notion` in `FILE` is no https address",
        ),
        (
            json!({ "authorization_url": "https://as.example/" }),
            "`oauth.authorization_url` of `notion` in `FILE` is given without",
        ),
        (
            json!({ "redirect_uri": "https://localhost:3334/cb" }),
            "`oauth.redirect_uri` of `notion` in `FILE` is not an address on this machine",
        ),
        (
            json!({ "redirect_uri": "http://app.example.com/cb" }),
            "`oauth.redirect_uri` of `notion` in `FILE` is not an address on this machine",
        ),
        (
            json!({ "scopes": "a", "Scopes": "b" }),
            "`oauth.Scopes` of `notion` in `FILE` is not supported",
        ),
        (
            json!({ "workload_jwt_env": "A", "workload_jwt_file": "b" }),
            "exclude each other",
        ),
        (
            json!({ "grant": "device_code", "workload_jwt_file": "b" }),
            "`oauth.workload_jwt_file` of `notion` in `FILE` and `oauth.grant` of `notion` in `FILE` exclude each other",
        ),
        (
            json!({ "extra_auth_params": { "state": "x" } }),
            "`oauth.extra_auth_params.state` of `notion` in `FILE` sets `state`",
        ),
        (
            json!({ "resource": "not absolute" }),
            "`oauth.resource` of `notion` in `FILE`",
        ),
        (json!({ "client_secret": "SECRET_1" }), "has no `client_id`"),
        (
            json!({ "initial_access_token": ["SECRET_1"] }),
            "`oauth.initial_access_token` of `notion` in `FILE` is a list; it must be a text",
        ),
        (
            json!({ "client_id": "${NOT_SET}" }),
            "`NOT_SET`, which is not set",
        ),
    ] {
        let path = configure(&machine, entry(&playground, json!({ "oauth": oauth })));
        let output = run(&machine, &["notion", "--config", &path]);
        let message = stderr(&output).replace(&path, "FILE");
        assert_eq!(output.status.code(), Some(2), "{oauth}: {message}");
        assert!(message.contains(told), "{oauth}: {message}");
        assert!(!message.contains("SECRET_1"), "{message}");
    }
}

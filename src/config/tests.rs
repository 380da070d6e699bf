mod automation;
mod cached;
mod grants;
mod headers;
mod lenient;
mod network;
mod oauth;
mod provider;

use super::*;
use crate::cli::{self, Parsed};
use crate::diag::Level;
use crate::net::proxy::{ProxyChoice, ProxyUrl};

/// The world of one test: variables and files, and nothing else.
#[derive(Default)]
pub(super) struct World {
    env: BTreeMap<String, String>,
    files: BTreeMap<PathBuf, Vec<u8>>,
    /// The access rights of the configuration file, if they are worth a thought.
    shared: Option<u32>,
}

/// Where the configuration file is, unless another is named.
pub(super) const CONFIG_FILE: &str = "/home/me/.config/mcp-drawbridge/config.json";

impl World {
    pub fn var(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.to_owned(), value.to_owned());
        self
    }

    pub fn file(mut self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.files.insert(path.into(), content.as_ref().to_owned());
        self
    }

    /// With a configuration file of these access rights.
    pub fn shared(mut self, mode: u32) -> Self {
        self.shared = Some(mode);
        self
    }

    pub fn job(&self, args: &[&str]) -> Result<Job, UsageError> {
        let args = std::iter::once("mcp-drawbridge").chain(args.iter().copied());
        self.asked(cli::parse(args.map(Into::into))?)
    }

    /// The same where mistakes are no warnings.
    pub fn strict_job(&self, args: &[&str]) -> Result<Job, UsageError> {
        let args = std::iter::once("mcp-drawbridge").chain(args.iter().copied());
        self.asked(cli::parse_strictly(args.map(Into::into))?)
    }

    fn asked(&self, parsed: Parsed) -> Result<Job, UsageError> {
        let Parsed::Run(request) = parsed else {
            panic!("help or version");
        };
        let read = |path: &Path| {
            self.files
                .get(path)
                .cloned()
                .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
        };
        Job::new(
            *request,
            &Surroundings {
                env: &self.env,
                data_dir: Some(PathBuf::from("/home/me/.local/share")),
                config_dir: Some(PathBuf::from("/home/me/.config")),
                home_dir: None,
                read: &read,
                open: &|path| match read(path) {
                    Ok(bytes) => Ok(Opened {
                        path: path.to_owned(),
                        bytes,
                        shared: self.shared,
                    }),
                    Err(error) => Err(OpenError::Absent(error)),
                },
            },
        )
    }

    pub fn config(&self, args: &[&str]) -> Config {
        match self.job(&[&[SERVER], args].concat()) {
            Ok(Job::Bridge(config)) => *config,
            Ok(other) => panic!("{args:?}: {other:?}"),
            Err(error) => panic!("{args:?}: {error}"),
        }
    }

    pub fn error(&self, args: &[&str]) -> UsageError {
        match self.strict_job(&[&[SERVER], args].concat()) {
            Err(error) => error,
            Ok(_) => panic!("{args:?} was taken"),
        }
    }
}

/// A self-signed certificate and its key, in PEM form.
fn pair() -> (String, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::default().self_signed(&key);
    (certificate.unwrap().pem(), key.serialize_pem())
}

pub(super) const SERVER: &str = "https://mcp.example.com/mcp";

fn config(args: &[&str]) -> Config {
    World::default().config(args)
}

fn error(args: &[&str]) -> String {
    World::default().error(args).to_string()
}

pub(super) fn header(config: &Config, name: &str) -> Option<String> {
    let value = config.headers.get(name)?.as_bytes();
    Some(String::from_utf8(value.to_vec()).expect("UTF-8"))
}

#[test]
fn an_address_alone_is_enough() {
    let config = config(&[]);
    assert_eq!(config.server.as_str(), SERVER);
    assert!(config.key.as_str().starts_with("mcp.example.com_mcp_"));
    assert_eq!(
        config.base.dir.as_deref(),
        Some(Path::new("/home/me/.local/share/mcp-drawbridge"))
    );
    assert_eq!(config.base.level, Level::Normal);
    assert_eq!(config.http.connect_timeout, Duration::from_secs(10));
    assert!(config.http.roots.certificates().is_empty());
    assert!(config.http.client_certificate.is_none() && config.key_file.is_none());
    assert_eq!(config.http.proxies.choice, ProxyChoice::System);
    assert_eq!(config.timeouts, Timeouts::default());
    assert!(config.cookies && !config.http.ipv4);
    assert!(config.base.warnings.is_empty());
    assert_eq!(config.auth, AuthMode::OAuth);
    assert!(config.headers.is_empty());
    assert_eq!(config.auth_timeout, Duration::from_secs(600));
    assert_eq!(config.resource, Resource::Discovered);
    assert_eq!(config.scopes, None);
    assert!(config.client.is_none() && config.client_metadata.is_empty());
    assert!(config.authorize_params.is_empty());
    assert!(!config.allow_http && !config.allow_missing_pkce_metadata);
    assert!(config.browser);
    assert_eq!(config.auth, AuthMode::OAuth);
    assert_eq!(config.keep_alive, None);
    assert_eq!(config.callback.port, None);
    let host = if cfg!(windows) {
        "127.0.0.1"
    } else {
        "localhost"
    };
    assert_eq!(
        config.callback.redirect_uri(3334),
        format!("http://{host}:3334/oauth/callback")
    );
}

#[test]
fn every_option_reaches_the_configuration_by_flag_and_by_variable() {
    type Holds = fn(&Config) -> bool;
    let (ca, _) = pair();
    let (own, key) = pair();
    let cases: Vec<(&str, &str, Holds)> = vec![
        ("protocol", "2025-06-18", |c| {
            c.protocol == Protocol::Initialize(Some("2025-06-18"))
        }),
        ("transport", "sse-only", |c| {
            c.transport == Preference::SseOnly
        }),
        ("config", "other.json", |c| !c.browser),
        ("name", "work", |c| c.key.as_str() == "work"),
        ("scope", "read write", |c| {
            c.scopes.as_deref() == Some(&["read".to_owned(), "write".to_owned()])
        }),
        ("revocation-endpoint", "https://as.example/revoke", |c| {
            let given = c.revocation_endpoint.as_ref().map(Url::as_str);
            given == Some("https://as.example/revoke")
        }),
        ("static-oauth-client-info", r#"{"client_id":"c"}"#, |c| {
            c.client
                .as_ref()
                .is_some_and(|client| client.client_id == "c")
        }),
        (
            "static-oauth-client-metadata",
            r#"{"client_name":"n"}"#,
            |c| {
                c.client_metadata
                    .get("client_name")
                    .is_some_and(|name| name == "n")
            },
        ),
        ("resource", "https://r.example/", |c| {
            c.resource == Resource::Given(ResourceId::new("https://r.example/"))
        }),
        ("authorize-param", "prompt=consent", |c| {
            c.authorize_params == [("prompt".to_owned(), "consent".to_owned())]
        }),
        ("audience", "https://api.example", |c| {
            c.audience.as_deref() == Some("https://api.example")
        }),
        ("token-param", "tenant=t", |c| {
            c.token_params == [("tenant".to_owned(), "t".to_owned())]
        }),
        ("use-id-token", "", |c| c.use_id_token),
        ("no-known-servers", "", |c| c.known == Known::default()),
        ("bearer-env", "MY_TOKEN", |c| {
            matches!(&c.bearer, Some(BearerSource::Variable { name, token })
                if name == "MY_TOKEN" && token.expose() == "TOKEN_1")
        }),
        ("bearer-command", "print 'a b'", |c| {
            c.bearer
                == SecretCommand::parse("print 'a b'")
                    .ok()
                    .map(BearerSource::Command)
        }),
        ("disable-pkce", "", |c| !c.pkce),
        ("allow-http", "", |c| c.allow_http),
        ("header", "X-Key: 1", |c| {
            header(c, "x-key").as_deref() == Some("1")
        }),
        ("header-file", "h.txt", |c| {
            header(c, "x-file").as_deref() == Some("2")
        }),
        ("tool", "get_*", |c| {
            c.visible.shows("get_it") && !c.visible.shows("set_it")
        }),
        ("ignore-tool", "set_*", |c| {
            c.visible.shows("get_it") && !c.visible.shows("set_it")
        }),
        ("enable-proxy", "", |c| {
            c.http.proxies.choice
                == ProxyChoice::Each {
                    http: ProxyUrl::parse("http://p.test:1"),
                    https: ProxyUrl::parse("http://p.test:1"),
                }
        }),
        ("auth-success-url", "https://app.test/done?a#b", |c| {
            c.callback
                .then
                .as_ref()
                .is_some_and(|url| url.as_str() == "https://app.test/done?a#b")
        }),
        ("host", "127.0.0.1", |c| c.callback.host == "127.0.0.1"),
        ("bind-host", "0.0.0.0", |c| {
            c.callback.bind == Some([0, 0, 0, 0].into())
        }),
        ("callback-path", "/cb", |c| c.callback.path == "/cb"),
        ("auth-timeout", "30", |c| {
            c.auth_timeout == Duration::from_secs(30)
        }),
        ("disable-resource-parameter", "", |c| {
            c.resource == Resource::Omitted
        }),
        ("issuer", "https://as.example.com/", |c| {
            c.issuer
                .as_ref()
                .is_some_and(|issuer| issuer.as_str() == "https://as.example.com/")
        }),
        ("allow-missing-pkce-metadata", "", |c| {
            c.allow_missing_pkce_metadata
        }),
        ("no-browser", "", |c| !c.browser),
        ("no-import", "", |c| c.take_over == TakeOver::Never),
        ("device-code", "", |c| c.auth == AuthMode::Device),
        ("keep-alive", "", |c| {
            c.keep_alive == Some(Duration::from_secs(30))
        }),
        ("ping-interval", "7.5", |c| {
            c.keep_alive == Some(Duration::from_millis(7500))
        }),
        ("connect-timeout", "2.5", |c| {
            c.http.connect_timeout == Duration::from_millis(2500)
        }),
        ("headers-timeout", "1.5", |c| {
            c.timeouts.headers == Some(Duration::from_millis(1500))
        }),
        ("body-timeout", "7", |c| {
            let seven = Some(Duration::from_secs(7));
            (c.timeouts.body, c.timeouts.stream) == (seven, seven)
        }),
        ("disable-cookies", "", |c| !c.cookies),
        ("ca-file", "ca.pem", |c| {
            c.http.roots.certificates().len() == 1
        }),
        ("client-cert", "own.pem", |c| {
            c.http.client_certificate.is_some()
                && c.key_file.as_deref() == Some(Path::new("own.pem"))
        }),
        ("proxy", "http://me:pw@proxy.test:3128", |c| {
            ProxyUrl::parse("http://me:pw@proxy.test:3128").map(ProxyChoice::One)
                == Some(c.http.proxies.choice.clone())
        }),
        ("no-proxy", "a.test,.b.test", |c| {
            c.http.proxies.direct == "a.test,.b.test"
        }),
        ("ipv4", "", |c| c.http.ipv4),
        ("dpop", "always", |c| c.dpop == dpop::Mode::Always),
        ("client-id", "c", |c| {
            c.client
                .as_ref()
                .is_some_and(|client| client.client_id == "c")
        }),
        ("client-metadata-url", "https://c.example/m", |c| {
            c.document
                .as_ref()
                .is_some_and(|own| own.url == "https://c.example/m")
        }),
        ("initial-access-token-env", "TOKEN_OF_MINE", |c| {
            c.initial_access_token
                .as_ref()
                .is_some_and(|token| token.matches("TOKEN_1"))
        }),
        ("allow-internal-addresses", "", |c| {
            c.http.policy.allow_internal
        }),
        ("debug", "", |c| c.base.level == Level::Debug),
        ("silent", "", |c| c.base.level == Level::Silent),
    ];
    let world = || {
        World::default()
            .var("TOKEN_OF_MINE", "TOKEN_1")
            .var("MY_TOKEN", "TOKEN_1")
            .var("http_proxy", "http://p.test:1")
            .file("h.txt", "X-File: 2\n")
            .file("ca.pem", &ca)
            .file("own.pem", format!("{own}{key}"))
            .file("other.json", r#"{"defaults":{"no_browser":true}}"#)
    };
    let mut seen: Vec<_> = cases.iter().map(|(long, ..)| (*long).to_owned()).collect();
    // It is nothing without --client-cert; the tests of `network` have a case.
    seen.push("client-key".to_owned());
    // These are nothing without each other and a client; a test of their own has the cases.
    seen.extend(["authorization-endpoint", "token-endpoint"].map(str::to_owned));
    // It is nothing without a client; the tests of `automation` have cases.
    seen.push("refresh-token-env".to_owned());
    // These are nothing without a client; the tests of `client` have cases.
    let of_clients = [
        "secret-env",
        "assertion-key",
        "assertion-alg",
        "assertion-kid",
        "assertion-audience",
    ];
    seen.extend(of_clients.map(|rest| format!("client-{rest}")));
    // They decide the mode together; the tests of `grants` have cases.
    let grants = [
        "client-credentials",
        "idp-client-id",
        "idp-client-secret-env",
        "idp-id-token-file",
        "idp-issuer",
        "idp-token-endpoint",
        "workload-jwt-command",
        "workload-jwt-env",
        "workload-jwt-file",
    ];
    seen.extend(grants.map(str::to_owned));
    let mut known = cli::option_names();
    seen.sort();
    known.sort();
    assert_eq!(seen, known, "an option has no case here");
    for (long, value, holds) in cases {
        let flag = format!("--{long}");
        let switch = value.is_empty();
        let args = if switch {
            vec![flag.as_str()]
        } else {
            vec![flag.as_str(), value]
        };
        assert!(holds(&world().config(&args)), "{flag}");
        let name = cli::variable(long);
        let value = if switch { "true" } else { value };
        assert!(holds(&world().var(&name, value).config(&[])), "{name}");
        assert!(
            !holds(&world().var(&name, "").config(&[])),
            "{name} is empty"
        );
        // The file names no other file.
        if long == "config" {
            continue;
        }
        let member = match switch {
            true => "true".to_owned(),
            false => Value::from(value).to_string(),
        };
        let snake = long.replace('-', "_");
        for name in [long, &snake] {
            let member = format!(r#"{{"url":"{SERVER}","{name}":{member}}}"#);
            let file = format!(r#"{{"mcpServers":{{"it":{member},"x":{{"url":"{SERVER}"}}}}}}"#);
            let world = world().file("c.json", file);
            let job = |name| match world.job(&[name, "--config", "c.json"]) {
                Ok(Job::Bridge(config)) => *config,
                Ok(other) => panic!("{member}: {other:?}"),
                Err(error) => panic!("{member}: {error}"),
            };
            assert!(holds(&job("it")), "{member}");
            // What is dangerous is said, wherever it is asked for.
            let quiet = long != "disable-pkce";
            assert_eq!(job("it").base.warnings.is_empty(), quiet, "{member}");
            assert!(!holds(&job("x")), "{member} of another server");
        }
    }
}

#[test]
fn what_this_program_does_itself_is_declared_as_an_extension() {
    let dpop = "io.modelcontextprotocol/auth/dpop";
    for (mode, declared) in [("auto", None), ("never", None), ("always", Some(dpop))] {
        let config = config(&["--dpop", mode]);
        assert_eq!(config.extensions(), Vec::from_iter(declared), "{mode}");
    }
}

#[test]
fn a_flag_wins_over_its_variable() {
    let world = World::default()
        .var("MCP_DRAWBRIDGE_NAME", "other")
        .var("MCP_DRAWBRIDGE_HEADER", "A: 1\nB: 2\n\n")
        .var("MCP_DRAWBRIDGE_NO_BROWSER", "off");
    assert_eq!(world.config(&[]).headers.len(), 2);
    assert!(world.config(&[]).browser);
    let config = world.config(&["--name", "work", "--header", "C: 3", "--no-browser"]);
    assert_eq!(config.key.as_str(), "work");
    assert_eq!(config.headers.len(), 1);
    assert!(!config.browser);
}

#[test]
fn a_wrong_value_names_where_it_was_given_and_what_is_allowed() {
    assert_eq!(
        error(&["--auth-timeout", "abc"]),
        "`--auth-timeout` is `abc`; it must be a whole number of seconds from 1 to 86400"
    );
    let world = World::default().var("MCP_DRAWBRIDGE_CONNECT_TIMEOUT", "-1");
    assert_eq!(
        world.error(&[]).to_string(),
        "`MCP_DRAWBRIDGE_CONNECT_TIMEOUT` is `-1`; it must be a number of seconds above 0 and at most 86400"
    );
    let world = World::default().var("MCP_DRAWBRIDGE_DEBUG", "maybe");
    assert_eq!(
        world.error(&[]).to_string(),
        "`MCP_DRAWBRIDGE_DEBUG` is `maybe`; it must be `true` or `false`"
    );
    for (option, values) in [
        (
            "--auth-timeout",
            &["0", "-3", "1.5", "1e9", "", "999999"][..],
        ),
        (
            "--connect-timeout",
            &["0", "NaN", "inf", "1e300", "ten", ""],
        ),
        (
            "--ping-interval",
            &["0", "-1", "0.0", "NaN", "inf", "30s", ""],
        ),
        (
            "--host",
            &[
                "0.0.0.0",
                "example.com",
                "",
                "localhost/x",
                "me@localhost",
                "localhost:80",
            ],
        ),
        (
            "--callback-path",
            &["cb", "", "/a?b", "/a#b", "/a b", "//a", "/a/../b"],
        ),
        ("--bind-host", &["localhost", "", "0.0.0.0:80", "all"]),
        ("--name", &["", "../x", "a/b", "CON"]),
        ("--scope", &["", "  ", "a\"b", "a\\b", "ü"]),
        ("--resource", &["mcp.example.com", "https://r.example/#x"]),
        (
            "--authorize-param",
            &["prompt", "=x", "", "state=x", "redirect_uri=https://x"],
        ),
    ] {
        for value in values {
            World::default().error(&[option, value]);
        }
    }
    for host in ["localhost", "127.0.0.1", "::1", "[::1]", "LOCALHOST"] {
        config(&["--host", host]);
    }
    assert_eq!(
        config(&["--host", "::1"]).callback.redirect_uri(1),
        "http://[::1]:1/oauth/callback"
    );
}

#[test]
fn the_callback_port_is_a_number_and_nothing_else_is_repeated() {
    assert_eq!(config(&["3334"]).callback.port, Some(3334));
    assert_eq!(config(&["0"]).callback.port, None);
    assert!(error(&["99999"]).contains("`99999`"));
    assert!(!error(&["SECRET_1"]).contains("SECRET"));
}

#[test]
fn a_missing_or_mistaken_address_is_told_with_what_to_write() {
    let world = World::default();
    let of = |args: &[&str]| {
        world
            .job(args)
            .err()
            .map(|error| {
                (
                    error.to_string(),
                    error.hint().unwrap_or_default().to_owned(),
                )
            })
            .expect("refused")
    };
    assert_eq!(of(&[]).0, "the address of the server is missing");
    assert_eq!(of(&["login"]).0, "the address of the server is missing");
    let (message, hint) = of(&["logn", "1"]);
    assert_eq!(
        message,
        format!(
            "`logn` is neither an address nor the name of a server in `{CONFIG_FILE}`, which does not exist"
        )
    );
    assert_eq!(hint, "did you mean `login`?");
    let (_, hint) = of(&["notion"]);
    assert!(hint.contains("`login`, `logout` and `status`"), "{hint}");
    assert_eq!(
        of(&["mcp.example.com/mcp"]).1,
        "did you mean `https://mcp.example.com/mcp`?"
    );
    assert!(
        of(&["http://mcp.example.com/mcp"])
            .1
            .contains("`--allow-http`")
    );
    assert!(of(&["file:///etc/passwd"]).0.contains("`file:`"));
    for address in [
        "https://me:SECRET_1@mcp.example.com/",
        "https://me:SECRET_1@",
        "me:SECRET_1@x",
    ] {
        let (message, hint) = of(&[address]);
        assert!(!format!("{message}{hint}").contains("SECRET"), "{message}");
    }
}

#[test]
fn debug_wins_over_silent() {
    assert_eq!(config(&["--silent", "--debug"]).base.level, Level::Debug);
}

#[test]
fn the_folder_can_be_chosen_as_an_absolute_path() {
    let dir = if cfg!(windows) {
        "C:\\signins"
    } else {
        "/srv/signins"
    };
    let chosen = World::default().var(DIR_VARIABLE, dir).config(&[]).base.dir;
    assert_eq!(chosen.as_deref(), Some(Path::new(dir)));
    assert!(
        World::default()
            .var(DIR_VARIABLE, "~/x")
            .error(&[])
            .to_string()
            .contains("`~/x`")
    );
    let default = config(&[]).base.dir;
    assert_eq!(
        World::default().var(DIR_VARIABLE, "").config(&[]).base.dir,
        default
    );
}

#[test]
fn a_misspelt_variable_is_worth_a_warning() {
    let world = World::default()
        .var("MCP_DRAWBRIDGE_AUTH_TIME", "1")
        .var("MCP_DRAWBRIDGE_SCOPE", "a");
    assert_eq!(
        world.config(&[]).base.warnings,
        ["the variable `MCP_DRAWBRIDGE_AUTH_TIME` stands for no option"]
    );
}

#[test]
fn printing_a_configuration_shows_no_secret() {
    let config = config(&[
        "--header",
        "X-Key: SECRET_1",
        "--static-oauth-client-info",
        r#"{"client_id":"c","client_secret":"SECRET_2"}"#,
    ]);
    let shown = format!("{config:?}");
    assert!(
        !shown.contains("SECRET_1") && !shown.contains("SECRET_2"),
        "{shown}"
    );
}

//! The command that a person runs in a terminal to get at the sign-in that these arguments mean.

use super::file::File;
use super::given::Lookup;
use super::{Callback, DIR_VARIABLE, Surroundings};
use crate::cli::{ServerArgs, UsageError};
use crate::ids::ServerUrl;

/// A command line that can be shown: it leaves out whatever may hold a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Again {
    folder: Option<String>,
    server: String,
    port: Option<u16>,
    /// Those that are about where the browser returns to.
    callback: Vec<[String; 2]>,
    options: Vec<String>,
    /// Whether something was left out.
    partial: bool,
}

impl Again {
    /// `lookup` knows what was said for this one process. What the configuration file says comes
    /// by itself, with the name of the entry or without.
    pub(super) fn new(
        args: &ServerArgs,
        server: &ServerUrl,
        (file, entry): (&File, Option<&str>),
        callback: &Callback,
        around: &Surroundings<'_>,
        lookup: &Lookup<'_>,
    ) -> Result<Self, UsageError> {
        let which = &args.which;
        let given = |options: &[(&str, &Option<String>)]| -> Vec<[String; 2]> {
            let given = options.iter().filter_map(|(long, flag)| {
                let given = lookup.text(long, flag)?;
                Some([format!("--{long}"), given.text])
            });
            given.collect()
        };
        let port = args.callback_port.as_ref().and(callback.port);
        let callback = given(&[
            ("host", &args.host),
            ("bind-host", &args.bind_host),
            ("callback-path", &args.callback_path),
        ]);
        let file = file.named().map(|path| {
            let path = path.to_string_lossy().into_owned();
            ["--config".to_owned(), path]
        });
        let mut options: Vec<String> = file.into_iter().flatten().collect();
        let given_options = given(&[
            ("name", &which.name),
            ("scope", &which.scope),
            ("resource", &which.resource),
            ("issuer", &args.issuer),
            (
                "authorization-endpoint",
                &which.provider.authorization_endpoint,
            ),
            ("token-endpoint", &which.provider.token_endpoint),
            ("audience", &which.provider.audience),
            ("client-id", &which.client.client_id),
            ("client-secret-env", &which.client.client_secret_env),
            ("client-metadata-url", &which.client.client_metadata_url),
            ("client-assertion-key", &which.client.client_assertion_key),
            ("client-assertion-alg", &which.client.client_assertion_alg),
            ("client-assertion-kid", &which.client.client_assertion_kid),
            (
                "client-assertion-audience",
                &which.client.client_assertion_audience,
            ),
            (
                "initial-access-token-env",
                &which.client.initial_access_token_env,
            ),
            ("refresh-token-env", &which.seed.refresh_token_env),
            ("client-cert", &args.common.client_cert),
            ("client-key", &args.common.client_key),
            ("no-proxy", &args.common.no_proxy),
            ("transport", &args.transport),
        ]);
        options.extend(given_options.into_iter().flatten());
        for file in lookup.list("ca-file", &args.common.ca_file) {
            options.extend(["--ca-file".to_owned(), file.text]);
        }
        for (long, flag) in [
            ("allow-http", which.allow_http),
            (
                "disable-resource-parameter",
                args.disable_resource_parameter,
            ),
            (
                "allow-missing-pkce-metadata",
                args.allow_missing_pkce_metadata,
            ),
            ("no-known-servers", args.rules.no_known_servers),
            ("disable-pkce", args.rules.disable_pkce),
            ("use-id-token", which.seed.use_id_token),
            ("ipv4", args.common.ipv4),
        ] {
            if lookup.switch(long, flag)? {
                options.push(format!("--{long}"));
            }
        }
        let mut partial = entry.is_none() && server.url().query().is_some();
        // A file can be named. What stands in the arguments themselves may be secret.
        for (long, values) in [
            (
                "static-oauth-client-info",
                lookup.text("static-oauth-client-info", &which.static_oauth_client_info),
            ),
            (
                "static-oauth-client-metadata",
                lookup.text(
                    "static-oauth-client-metadata",
                    &which.static_oauth_client_metadata,
                ),
            ),
        ] {
            match values {
                Some(given) if given.text.starts_with('@') => {
                    options.extend([format!("--{long}"), given.text]);
                }
                Some(_) => partial = true,
                None => {}
            }
        }
        for file in lookup.list("header-file", &args.header_file) {
            options.extend(["--header-file".to_owned(), file.text]);
        }
        partial |= !lookup.list("header", &args.header).is_empty();
        // A proxy's address may have a password in it.
        partial |= lookup.text("proxy", &args.common.proxy).is_some();
        partial |= !lookup
            .list("authorize-param", &which.authorize_param)
            .is_empty();
        partial |= !lookup
            .list("token-param", &which.provider.token_param)
            .is_empty();
        let folder = around.env.get(DIR_VARIABLE).cloned();
        Ok(Self {
            folder: folder.filter(|folder| !folder.is_empty()),
            server: entry.map_or_else(|| server.to_string(), str::to_owned),
            port,
            callback,
            options,
            partial,
        })
    }

    /// `login` with these arguments, in backticks, and what to add to it if something must not be
    /// shown.
    pub fn login(&self) -> String {
        self.line(self.port, &self.callback, &[])
    }

    /// The same with this callback port, for a container that publishes it.
    pub fn login_published(&self, port: u16) -> String {
        let mut callback = self.callback.clone();
        callback.retain(|[option, _]| option != "--bind-host");
        self.line(Some(port), &callback, &["--bind-host", "0.0.0.0"])
    }

    /// The same with a code in place of a browser that returns.
    pub fn login_with_code(&self) -> String {
        self.line(None, &[], &["--device-code"])
    }

    fn line(&self, port: Option<u16>, callback: &[[String; 2]], more: &[&str]) -> String {
        let port = port.map(|port| port.to_string());
        let words = ["mcp-drawbridge", "login", &self.server]
            .into_iter()
            .chain(port.as_deref())
            .chain(self.options.iter().map(String::as_str))
            .chain(callback.iter().flatten().map(String::as_str))
            .chain(more.iter().copied());
        let mut words: Vec<String> = words.map(quoted).collect();
        // Windows has no way to say this before a command that all its shells know.
        if let Some(folder) = self.folder.as_deref().filter(|_| !cfg!(windows)) {
            words.insert(0, format!("{DIR_VARIABLE}={}", quoted(folder)));
        }
        let rest = match self.partial {
            true => " with the other arguments of your configuration",
            false => "",
        };
        format!("`{}`{rest}", words.join(" "))
    }
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    match (word.chars().all(plain) && !word.is_empty(), cfg!(windows)) {
        (true, _) => word.to_owned(),
        (false, true) => format!("\"{word}\""),
        (false, false) => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use super::*;
    use crate::cli::{self, Parsed};
    use crate::config::{Job, Opened};

    /// There is a configuration file wherever one is named.
    fn again(arguments: &[&str], variables: &[(&str, &str)]) -> Again {
        let env: BTreeMap<String, String> = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let around = Surroundings {
            env: &env,
            data_dir: Some("/data".into()),
            config_dir: None,
            open: &|path| {
                let bytes = br#"{"mcpServers":{"my notion":{"url":"https://mcp.example.com/mcp?key=SECRET_1",
                    "scope":"filed","headers":{"X-Key":"SECRET_1"},"callback_port":3000}}}"#;
                Ok(Opened {
                    path: Path::new("/here").join(path),
                    bytes: bytes.to_vec(),
                    shared: None,
                })
            },
            read: &|path: &Path| match path.to_str() {
                Some("client.json") => Ok(br#"{"client_id":"c"}"#.to_vec()),
                _ => Ok(b"X-Key: 1".to_vec()),
            },
        };
        let arguments = ["mcp-drawbridge"].iter().chain(arguments);
        let Ok(Parsed::Run(request)) = cli::parse(arguments.map(Into::into)) else {
            panic!("the arguments are wrong");
        };
        match Job::new(*request, &around).unwrap() {
            Job::Bridge(config) | Job::Login(config) => config.again,
            other => panic!("{other:?}"),
        }
    }

    const SERVER: &str = "https://mcp.example.com/mcp";

    #[test]
    fn an_address_and_a_port_are_all_there_is_to_most_commands() {
        let plain = again(&[SERVER], &[]);
        assert_eq!(
            plain.login(),
            "`mcp-drawbridge login https://mcp.example.com/mcp`"
        );
        let fixed = again(&["login", SERVER, "3334", "--debug"], &[]);
        assert_eq!(
            fixed.login(),
            "`mcp-drawbridge login https://mcp.example.com/mcp 3334`"
        );
        assert_eq!(
            fixed.login_published(4000),
            "`mcp-drawbridge login https://mcp.example.com/mcp 4000 --bind-host 0.0.0.0`"
        );
        let loopback = again(&[SERVER, "--bind-host", "127.0.0.1"], &[]);
        assert_eq!(loopback.login_published(4000), fixed.login_published(4000));
        // Where no browser returns, nothing need be said about that.
        let here = again(&[SERVER, "3334", "--host", "127.0.0.1", "--name", "x"], &[]);
        assert_eq!(
            here.login_with_code(),
            "`mcp-drawbridge login https://mcp.example.com/mcp --name x --device-code`"
        );
    }

    #[test]
    fn what_decides_which_sign_in_it_is_is_kept_wherever_it_was_given() {
        let arguments = [
            "https://mcp.example.com/it's(1)",
            "--transport",
            "sse-only",
            "--scope",
            "read write",
            "--static-oauth-client-info",
            "@client.json",
            "--header-file",
            "h.txt",
        ];
        let variables = [
            ("MCP_DRAWBRIDGE_NAME", "work"),
            ("MCP_DRAWBRIDGE_ALLOW_HTTP", "true"),
            ("MCP_DRAWBRIDGE_DIR", "/my cache"),
        ];
        assert_eq!(
            again(&arguments, &variables).login(),
            "`MCP_DRAWBRIDGE_DIR='/my cache' mcp-drawbridge login \
             'https://mcp.example.com/it'\\''s(1)' --name work --scope 'read write' --transport sse-only --allow-http \
             --static-oauth-client-info @client.json --header-file h.txt`"
        );
    }

    #[test]
    fn an_entry_of_the_configuration_file_is_named_and_says_the_rest_itself() {
        let named = again(&["my notion", "--config", "my conf.json"], &[]);
        assert_eq!(
            named.login(),
            "`mcp-drawbridge login 'my notion' --config '/here/my conf.json'`"
        );
        let variables = [
            ("MCP_DRAWBRIDGE_CONFIG", "c.json"),
            ("MCP_DRAWBRIDGE_ISSUER", "https://as.example"),
        ];
        let more = ["my notion", "4000", "--scope", "read"];
        assert_eq!(
            again(&more, &variables).login(),
            "`mcp-drawbridge login 'my notion' 4000 --config /here/c.json --scope read --issuer https://as.example`"
        );
        assert_eq!(
            named.login_published(4000),
            "`mcp-drawbridge login 'my notion' 4000 --config '/here/my conf.json' --bind-host 0.0.0.0`"
        );
        // An address, too, goes with the defaults of the same file.
        assert_eq!(
            again(&[SERVER, "--config", "c.json"], &[]).login(),
            "`mcp-drawbridge login https://mcp.example.com/mcp --config /here/c.json`"
        );
    }

    #[test]
    fn what_may_be_secret_is_not_shown() {
        let query = format!("{SERVER}?key=SECRET_1");
        for arguments in [
            &[SERVER, "--header", "X-Key: SECRET_1"][..],
            &[SERVER, "--authorize-param", "x=SECRET_1"],
            &[
                SERVER,
                "--static-oauth-client-info",
                r#"{"client_id":"c","client_secret":"SECRET_1"}"#,
            ],
            &[
                SERVER,
                "--static-oauth-client-metadata",
                r#"{"software_statement":"SECRET_1"}"#,
            ],
            &[&query],
        ] {
            let shown = again(arguments, &[]).login();
            assert!(!shown.contains("SECRET_1"), "{shown}");
            assert!(
                shown.ends_with("` with the other arguments of your configuration"),
                "{shown}"
            );
        }
    }
}

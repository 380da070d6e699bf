//! The command that a person runs in a terminal to get at the sign-in that these arguments mean.

use super::apart::Apart;
use super::file::File;
use super::given::Lookup;
use super::{Callback, DIR_VARIABLE, Surroundings};
use crate::cli::{ServerArgs, UsageError};
use crate::compat::import::VARIABLE;
use crate::ids::ServerUrl;

/// A command line that can be shown: it leaves out whatever may hold a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Again {
    /// The variables that say where sign-ins are.
    folders: Vec<(&'static str, String)>,
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
        (around, apart): (&Surroundings<'_>, &Apart),
        lookup: &Lookup<'_>,
    ) -> Result<Self, UsageError> {
        let said = Said { args, lookup };
        let file = file.named().map(|path| {
            let path = path.to_string_lossy().into_owned();
            ["--config".to_owned(), path]
        });
        let mut options: Vec<String> = file.into_iter().flatten().collect();
        options.extend(said.texts().into_iter().flatten());
        options.extend(said.switches()?);
        options.extend(said.files());
        let folder = around.env.get(DIR_VARIABLE).map(String::as_str);
        let folder = folder.filter(|folder| !folder.is_empty());
        let folders = [(DIR_VARIABLE, folder), (VARIABLE, apart.folder())];
        let folders = folders.into_iter();
        let folders = folders.filter_map(|(name, folder)| Some((name, folder?.to_owned())));
        Ok(Self {
            folders: folders.collect(),
            server: entry.map_or_else(|| server.to_string(), str::to_owned),
            port: args.callback_port.as_ref().and(callback.port),
            callback: said.callback(),
            options,
            partial: said.hides_something()
                || (cfg!(windows) && apart.folder().is_some())
                || (entry.is_none() && server.url().query().is_some()),
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
        let folders = self.folders.iter().filter(|_| !cfg!(windows));
        let folders = folders.map(|(name, folder)| format!("{name}={}", quoted(folder)));
        words.splice(..0, folders);
        let rest = match self.partial {
            true => " with the other arguments of your configuration",
            false => "",
        };
        format!("`{}`{rest}", words.join(" "))
    }
}

/// What was said by arguments and variables.
struct Said<'a> {
    args: &'a ServerArgs,
    lookup: &'a Lookup<'a>,
}

impl Said<'_> {
    fn given(&self, options: &[(&str, &Option<String>)]) -> Vec<[String; 2]> {
        let given = options.iter().filter_map(|(long, flag)| {
            let given = self.lookup.text(long, flag)?;
            Some([format!("--{long}"), given.text])
        });
        given.collect()
    }

    /// Where the browser returns to.
    fn callback(&self) -> Vec<[String; 2]> {
        let callback = &self.args.callback;
        self.given(&[
            ("host", &callback.host),
            ("bind-host", &callback.bind_host),
            ("callback-path", &callback.callback_path),
        ])
    }

    /// Options whose value can be shown.
    fn texts(&self) -> Vec<[String; 2]> {
        let (args, which) = (self.args, &self.args.which);
        let (provider, client) = (&which.provider, &which.client);
        self.given(&[
            ("name", &which.name),
            ("scope", &which.scope),
            ("resource", &which.resource),
            ("issuer", &args.rules.issuer),
            ("authorization-endpoint", &provider.authorization_endpoint),
            ("token-endpoint", &provider.token_endpoint),
            ("revocation-endpoint", &provider.revocation_endpoint),
            ("audience", &provider.audience),
            ("client-id", &client.client_id),
            ("client-secret-env", &client.client_secret_env),
            ("client-metadata-url", &client.client_metadata_url),
            ("client-assertion-key", &client.client_assertion_key),
            ("client-assertion-alg", &client.client_assertion_alg),
            ("client-assertion-kid", &client.client_assertion_kid),
            (
                "client-assertion-audience",
                &client.client_assertion_audience,
            ),
            ("initial-access-token-env", &client.initial_access_token_env),
            ("refresh-token-env", &which.seed.refresh_token_env),
            ("client-cert", &args.common.client_cert),
            ("client-key", &args.common.client_key),
            ("no-proxy", &args.common.no_proxy),
            ("transport", &args.traffic.transport),
            ("protocol", &args.traffic.protocol),
            ("dpop", &args.dpop.dpop),
        ])
    }

    fn switches(&self) -> Result<Vec<String>, UsageError> {
        let (args, rules) = (self.args, &self.args.rules);
        let mut switches = Vec::new();
        for (long, flag) in [
            ("allow-http", args.which.allow_http),
            (
                "disable-resource-parameter",
                rules.disable_resource_parameter,
            ),
            (
                "allow-missing-pkce-metadata",
                rules.allow_missing_pkce_metadata,
            ),
            ("no-known-servers", rules.no_known_servers),
            ("disable-pkce", rules.disable_pkce),
            ("use-id-token", args.which.seed.use_id_token),
            ("ipv4", args.common.ipv4),
        ] {
            if self.lookup.switch(long, flag)? {
                switches.push(format!("--{long}"));
            }
        }
        Ok(switches)
    }

    /// Files can be named. What stands in the arguments themselves may be secret.
    fn files(&self) -> Vec<String> {
        let option = |long: &str, text: String| [format!("--{long}"), text];
        let list = |long: &'static str, flag| {
            let files = self.lookup.list(long, flag).into_iter();
            files.map(move |file| option(long, file.text))
        };
        let json = self.json().into_iter();
        let json = json.filter(|(_, text)| text.starts_with('@'));
        list("ca-file", &self.args.common.ca_file)
            .chain(json.map(|(long, text)| option(long, text)))
            .chain(list("header-file", &self.args.traffic.header_file))
            .flatten()
            .collect()
    }

    /// Options whose value is JSON or the name of a file of it.
    fn json(&self) -> Vec<(&'static str, String)> {
        let which = &self.args.which;
        let given = |long, flag| Some((long, self.lookup.text(long, flag)?.text));
        [
            given("static-oauth-client-info", &which.static_oauth_client_info),
            given(
                "static-oauth-client-metadata",
                &which.static_oauth_client_metadata,
            ),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Whether something was said that is not shown, since it may be secret.
    fn hides_something(&self) -> bool {
        let (args, which) = (self.args, &self.args.which);
        let any = |long, flag| !self.lookup.list(long, flag).is_empty();
        any("header", &args.traffic.header)
            || any("authorize-param", &which.authorize_param)
            || any("token-param", &which.provider.token_param)
            // A proxy's address may have a password in it.
            || self.lookup.text("proxy", &args.common.proxy).is_some()
            || self.json().iter().any(|(_, text)| !text.starts_with('@'))
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
mod tests;

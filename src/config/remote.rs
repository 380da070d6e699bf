//! The arguments of a command for one remote server become a [`Config`].

use std::time::Duration;

use http::header::{AUTHORIZATION, HeaderMap};
use url::Host;

use super::apart::Apart;
use super::callback::{callback, without_effect};
use super::elsewhere::Theirs;
use super::file::{Entry, File, Need, Target};
use super::given::{Given, Lookup};
use super::mode::{self, Claim};
use super::which::{Which, server};
use super::{
    Again, AuthMode, Base, BearerSource, Config, Resource, Surroundings, automation, endpoints,
    exposed, headers, network, oauth,
};
use crate::cli::{ServerArgs, UsageError};
use crate::ids::ServerUrl;
use crate::mcp::era::Protocol;
use crate::mcp::transport::Preference;
use crate::mcp::visible::Visible;
use crate::oauth::flow::Seed;
use crate::oauth::known::Known;
use crate::oauth::takeover::TakeOver;

/// How long nothing may be sent to the server before a ping is, with `--keep-alive` alone.
const PING_INTERVAL: Duration = Duration::from_secs(30);
/// How long a person may take for the sign-in, unless `--auth-timeout` says otherwise.
const AUTH_TIMEOUT: Duration = Duration::from_secs(600);

/// What authorizes requests without a person, with how messages call it.
struct Tokens {
    headers: HeaderMap,
    bearer: Option<(BearerSource, String)>,
    seed: Option<Seed>,
}

impl Config {
    /// Checks the arguments of a command for one server.
    pub fn new(args: &ServerArgs, around: &Surroundings<'_>) -> Result<Self, UsageError> {
        let Some(url) = &args.url else {
            return Err(UsageError::new("the address of the server is missing")
                .with_hint("give it first, such as `mcp-drawbridge https://mcp.example.com/mcp`; `-h` shows more"));
        };
        let file = File::find(&args.common.config, around)?;
        let entry = match file.target(url)? {
            Target::Address => None,
            Target::Entry(entry) => Some(entry),
            Target::Neither => return Err(file.no_entry(url)),
        };
        let lookup = file.lookup(entry.as_ref(), Need::Connect, around.env)?;
        let lookup = lookup.taking(&args.tolerance);
        let which = Which::new(&args.which, around, &lookup)?;
        let server = match &entry {
            Some(entry) => entry.server(around.env, which.allow_http)?,
            None => server(addressed(url, &lookup), which.allow_http)?,
        };
        let written = match &entry {
            Some(entry) => entry.address(around.env)?,
            None => url.clone(),
        };
        let mut config = Self::of(
            args,
            around,
            (&file, entry.as_ref()),
            &lookup,
            which,
            (&server, &written),
        )?;
        config.http.policy.own = network::own_addresses(&config);
        config.base.origins = lookup.origins();
        let place = entry.as_ref().map(|entry| entry.place().to_owned());
        let place = place.unwrap_or_else(|| "the command line".to_owned());
        config.base.origins.insert(0, ("url".to_owned(), place));
        Ok(config)
    }

    /// The same once it is known which server and which sign-in are meant.
    fn of(
        args: &ServerArgs,
        around: &Surroundings<'_>,
        (file, entry): (&File, Option<&Entry<'_>>),
        lookup: &Lookup<'_>,
        mut which: Which,
        (server, written): (&ServerUrl, &str),
    ) -> Result<Self, UsageError> {
        let mut base = Base::new(&args.common, around, lookup)?;
        base.warnings
            .extend(args.tolerance.warnings.iter().cloned());
        base.warnings.extend(exposed::warnings(args));
        let lines = headers::written(&args.traffic, around, lookup)?;
        let apart = Apart::new(&lines, around);
        let tokens = Tokens {
            headers: headers::collect(&lines, around, lookup)?,
            bearer: automation::bearer(&args.bearer, lookup, around)?,
            seed: automation::seed(&args.which.seed, lookup, around)?,
        };
        let auth = mode(args, lookup, &tokens, &mut which, &mut base.warnings)?;
        let resource = resource(args, lookup, &which, &mut base.warnings)?;
        let issuer = match lookup.text("issuer", &args.rules.issuer) {
            Some(given) => Some(oauth::issuer(&given)?),
            None => None,
        };
        if let (Some(endpoints), Some(issuer)) = (&mut which.endpoints, &issuer) {
            endpoints.issuer = issuer.clone();
        }
        let known = match lookup.switch("no-known-servers", args.rules.no_known_servers)? {
            true => Known::default(),
            false => Known::BUILT_IN,
        };
        let row = known.server(server);
        let theirs = Theirs::new(written, &lines, (&which, &resource));
        let callback = callback(args, lookup, row, theirs.port(), which.allow_http)?;
        let pkce = pkce(args, lookup, auth, &mut base.warnings)?;
        endpoints::check(
            which.endpoints.as_ref(),
            auth,
            which.clients.client.is_some(),
        )?;
        let mut http = network::http_settings(&args.common, around, lookup, &mut base.warnings)?;
        http.policy.server = Some(server.url().clone());
        if http.ipv4 && matches!(server.url().host(), Some(Host::Ipv6(_))) {
            return Err(UsageError::new(format!(
                "`--ipv4` excludes the IPv6 address in `{server}`"
            )));
        }
        let entry = entry.map(|entry| entry.name);
        Ok(Self {
            http,
            timeouts: network::timeouts(args, lookup)?,
            cookies: !lookup.switch("disable-cookies", args.traffic.disable_cookies)?,
            key_file: network::key_file(&args.common, lookup),
            key: which.key(server, &apart)?,
            again: Again::new(
                args,
                server,
                (file, entry),
                &callback,
                (around, &apart),
                &lookup.typed(),
            )?,
            callback,
            transport: match lookup.text("transport", &args.traffic.transport) {
                Some(given) => lookup
                    .forgive(&given, given.transport(), "`http-first`")?
                    .unwrap_or_default(),
                None => Preference::default(),
            },
            protocol: match lookup.text("protocol", &args.traffic.protocol) {
                Some(given) => lookup
                    .forgive(&given, given.protocol(), "`auto`")?
                    .unwrap_or_default(),
                None => Protocol::default(),
            },
            auth_timeout: auth_timeout(args, lookup)?,
            visible: visible(args, lookup),
            resource,
            unattended: which.grants.way(
                auth,
                which.clients.client.as_ref(),
                &args.which.grants,
                lookup,
            )?,
            bearer: tokens.bearer.map(|(source, _)| source),
            seed: tokens.seed,
            use_id_token: which.use_id_token,
            client: which.clients.client,
            document: which.clients.document,
            initial_access_token: which.clients.initial_access_token,
            assertion_key_file: which.clients.key_file,
            client_metadata: which.client_metadata,
            issuer,
            scopes: which.scopes,
            authorize_params: which.authorize_params,
            endpoints: which.endpoints,
            revocation_endpoint: which.revocation_endpoint,
            audience: which.audience,
            token_params: which.token_params,
            pkce,
            dpop: automation::dpop(args, lookup)?,
            known,
            allow_http: which.allow_http,
            allow_missing_pkce_metadata: lookup.switch(
                "allow-missing-pkce-metadata",
                args.rules.allow_missing_pkce_metadata,
            )?,
            browser: !lookup.switch("no-browser", args.callback.no_browser)?,
            keep_alive: keep_alive(args, lookup)?,
            elsewhere: theirs.place(around),
            take_over: take_over(args, lookup)?,
            base: base.warning(lookup.take_warnings()),
            server: server.clone(),
            auth,
            headers: tokens.headers,
        })
    }
}

/// The one mode that everything given agrees on, with what belongs to it.
fn mode(
    args: &ServerArgs,
    lookup: &Lookup<'_>,
    tokens: &Tokens,
    which: &mut Which,
    warnings: &mut Vec<String>,
) -> Result<AuthMode, UsageError> {
    let mut claims = claims(args, lookup, tokens, which)?;
    if lookup.is_lenient() {
        warnings.extend(mode::settle(&mut claims));
    }
    let auth = mode::choose(&claims)?;
    if let Some(error) = which.clients.missing.take() {
        return Err(error);
    }
    warnings.append(&mut which.clients.warnings);
    which.check_mode(&claims, lookup, warnings)?;
    let no_user = which.use_id_token && auth.is_unattended();
    if no_user && lookup.is_lenient() && args.which.seed.use_id_token {
        which.use_id_token = false;
        warnings.push(
            "`--use-id-token` has no effect: there is no user whom an ID token could be about"
                .to_owned(),
        );
    } else if no_user {
        return Err(UsageError::new(format!(
            "`--use-id-token` and {} exclude each other: there is no user whom an ID token could be about",
            claims.first().map_or("this mode", |claim| &claim.origin)
        ))
        .with_hint("leave out one of them"));
    }
    if let Some(seed) = &tokens.seed
        && which.clients.client.is_none()
    {
        return Err(UsageError::new(format!(
            "the refresh token in {} is of no use without the client that it was issued to",
            seed.origin
        ))
        .with_hint("give it with `--client-id`"));
    }
    let origin = claims.first().map_or("", |claim| &claim.origin);
    warnings.extend(without_effect(args, lookup, auth, origin));
    Ok(auth)
}

/// Everything that asks for a mode, the most telling first.
fn claims(
    args: &ServerArgs,
    lookup: &Lookup<'_>,
    tokens: &Tokens,
    which: &Which,
) -> Result<Vec<Claim>, UsageError> {
    let mut claims = Vec::new();
    if tokens.headers.contains_key(AUTHORIZATION) {
        let origin = mode::HEADER;
        if let Some((_, other)) = &tokens.bearer {
            return Err(
                UsageError::new(format!("{origin} and {other} exclude each other"))
                    .with_hint("leave out one of them"),
            );
        }
        claims.push(Claim::new(AuthMode::Bearer, origin));
    }
    if let Some((_, origin)) = &tokens.bearer {
        claims.push(Claim::new(AuthMode::Bearer, origin));
    }
    if let Some(seed) = &tokens.seed {
        let origin = format!("a refresh token in {}", seed.origin);
        claims.push(Claim::new(AuthMode::Seeded, origin));
    }
    if let Some(given) = lookup.switched_on("device-code", args.callback.device_code)? {
        claims.push(Claim::new(AuthMode::Device, given));
    }
    claims.extend(which.grants.claims()?);
    Ok(claims)
}

/// Which `resource` requests name, and what may be odd about that.
fn resource(
    args: &ServerArgs,
    lookup: &Lookup<'_>,
    which: &Which,
    warnings: &mut Vec<String>,
) -> Result<Resource, UsageError> {
    let disabled = lookup.switch(
        "disable-resource-parameter",
        args.rules.disable_resource_parameter,
    )?;
    if disabled && matches!(which.resource, Resource::Given(_)) {
        warnings.push("`--resource` has no effect with `--disable-resource-parameter`".to_owned());
    }
    let mut params = which.authorize_params.iter();
    if params.any(|(name, _)| name == "resource") {
        warnings.push("`--authorize-param resource=…` changes only the authorization address; `--resource` changes every request".to_owned());
    }
    Ok(match disabled {
        true => Resource::Omitted,
        false => which.resource.clone(),
    })
}

/// A name of the user's own is for one of several accounts, and which of them mcp-remote has, nobody
/// knows.
fn take_over(args: &ServerArgs, lookup: &Lookup<'_>) -> Result<TakeOver, UsageError> {
    let refused = lookup.switch("no-import", args.callback.no_import)?;
    let is_named = lookup.text("name", &args.which.name).is_some();
    Ok(match refused || is_named {
        true => TakeOver::Never,
        false => TakeOver::First,
    })
}

fn pkce(
    args: &ServerArgs,
    lookup: &Lookup<'_>,
    auth: AuthMode,
    warnings: &mut Vec<String>,
) -> Result<bool, UsageError> {
    let pkce = !lookup.switch("disable-pkce", args.rules.disable_pkce)?;
    if !pkce && auth == AuthMode::OAuth {
        warnings.push(
            "PKCE is off (`--disable-pkce`): whoever gets hold of the code that the browser brings can sign in as you"
                .to_owned(),
        );
    }
    Ok(pkce)
}

/// An address may have a part that is for browsers; it is never sent, so it does no harm.
fn addressed<'a>(url: &'a str, lookup: &Lookup<'_>) -> &'a str {
    match url.split_once('#') {
        Some((before, _)) if lookup.is_lenient() => {
            lookup.warn("the part of the address from `#` on is left out".to_owned());
            before
        }
        _ => url,
    }
}

fn auth_timeout(args: &ServerArgs, lookup: &Lookup<'_>) -> Result<Duration, UsageError> {
    let Some(given) = lookup.text("auth-timeout", &args.callback.auth_timeout) else {
        return Ok(AUTH_TIMEOUT);
    };
    let seconds = match lookup.forgives(&given) {
        true => given.leading_seconds(),
        false => given.whole_seconds(),
    };
    let instead = format!("{} s", AUTH_TIMEOUT.as_secs());
    let seconds = lookup.forgive(&given, seconds, &instead)?;
    Ok(seconds.unwrap_or(AUTH_TIMEOUT))
}

/// What is to be hidden adds up, as who hid it elsewhere did not mean to show it here.
fn visible(args: &ServerArgs, lookup: &Lookup<'_>) -> Visible {
    let allowed = lookup.list("tool", &args.traffic.tool);
    let ignored = lookup.lists("ignore-tool", &args.traffic.ignore_tool);
    let text = |given: &'_ Given| given.text.clone();
    let some = |text: &String| !text.is_empty();
    let allowed: Vec<String> = allowed.iter().map(text).filter(some).collect();
    let ignored: Vec<String> = ignored.iter().flatten().map(text).filter(some).collect();
    Visible::new(
        allowed.iter().map(String::as_str),
        ignored.iter().map(String::as_str),
    )
}

/// An interval alone turns pings on.
fn keep_alive(args: &ServerArgs, lookup: &Lookup<'_>) -> Result<Option<Duration>, UsageError> {
    let wanted = lookup.switch("keep-alive", args.traffic.keep_alive)?;
    match lookup.text("ping-interval", &args.traffic.ping_interval) {
        Some(given) => {
            let seconds = lookup.forgive(
                &given,
                lookup.clamped(&given).seconds(),
                "what follows without it",
            )?;
            Ok(seconds.or_else(|| wanted.then_some(PING_INTERVAL)))
        }
        None => Ok(wanted.then_some(PING_INTERVAL)),
    }
}

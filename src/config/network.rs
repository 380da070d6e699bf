//! How connections are made: trust, client certificates, proxies, addresses and time limits.

use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::given::{Given, Lookup};
use super::{Config, Surroundings};
use crate::cli::{CommonOptions, ServerArgs, UsageError};
use crate::diag;
use crate::net::client::HttpSettings;
use crate::net::guard::Policy;
use crate::net::proxy::{ProxyChoice, ProxySettings, ProxyUrl};
use crate::net::remote::Timeouts;
use crate::oauth::flow::{ProviderEndpoint, Unattended};
use crate::pem::{self, ClientCertificate, PemError, Roots};

/// How long a connection may take, unless `--connect-timeout` says otherwise.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Variables that name a file of certificates to trust. `SSL_CERT_FILE` is read with the system's
/// roots where those are files; elsewhere the system judges, and what the variable names is added.
const ROOTS_VARIABLES: &[&str] = match cfg!(all(unix, not(target_os = "macos"))) {
    true => &["NODE_EXTRA_CA_CERTS"],
    false => &["NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE"],
};

/// What turns the check of certificates off in programs that run on Node.
const UNCHECKED: &str = "NODE_TLS_REJECT_UNAUTHORIZED";

/// The variables that name proxies, as they are looked for: the first that is set counts.
const PROXY_VARIABLES: [[&str; 2]; 3] = [
    ["HTTPS_PROXY", "https_proxy"],
    ["HTTP_PROXY", "http_proxy"],
    ["ALL_PROXY", "all_proxy"],
];

/// Checks the options that every command with a connection has.
pub(super) fn http_settings(
    options: &CommonOptions,
    around: &Surroundings<'_>,
    lookup: &Lookup<'_>,
    warnings: &mut Vec<String>,
) -> Result<HttpSettings, UsageError> {
    Ok(HttpSettings {
        connect_timeout: match lookup.text("connect-timeout", &options.connect_timeout) {
            Some(given) => lookup
                .forgive(&given, lookup.clamped(&given).seconds(), "the default")?
                .unwrap_or(CONNECT_TIMEOUT),
            None => CONNECT_TIMEOUT,
        },
        roots: roots(options, around, lookup, warnings)?,
        client_certificate: client_certificate(options, around, lookup)?,
        proxies: proxies(options, around, lookup, warnings)?,
        ipv4: lookup.switch("ipv4", options.ipv4)?,
        policy: Policy {
            allow_internal: lookup.switch(
                "allow-internal-addresses",
                options.trust.allow_internal_addresses,
            )?,
            ..Policy::default()
        },
    })
}

/// The addresses that the user named: theirs, as the server is, and not to be judged as those that
/// a server names.
pub(super) fn own_addresses(config: &Config) -> Vec<Url> {
    let issuer = config.issuer.iter();
    let issuer = issuer.filter_map(|issuer| Url::parse(issuer.as_str()).ok());
    let given = config.endpoints.iter().flat_map(|given| {
        let authorization = given.authorization_endpoint.clone();
        authorization
            .into_iter()
            .chain([given.token_endpoint.clone()])
    });
    let revocation = config.revocation_endpoint.clone();
    let grant = config.unattended.as_ref().map(|grant| &grant.way);
    let provider = match grant {
        Some(Unattended::Enterprise(provider)) => Some(match &provider.endpoint {
            ProviderEndpoint::Given(url) => url.clone(),
            ProviderEndpoint::OfIssuer(address) => address.url().clone(),
        }),
        _ => None,
    };
    issuer
        .chain(given)
        .chain(revocation)
        .chain(provider)
        .collect()
}

/// How long the server may be silent.
pub(super) fn timeouts(args: &ServerArgs, lookup: &Lookup<'_>) -> Result<Timeouts, UsageError> {
    let default = Timeouts::default();
    let read = |given: Option<Given>, default: Option<Duration>| match given {
        None => Ok(default),
        Some(given) => {
            let read = lookup.clamped(&given).seconds_or_none();
            let read = lookup.forgive(&given, read, "the default")?;
            Ok(read.unwrap_or(default))
        }
    };
    let text = |long, flag| lookup.text(long, flag);
    let headers = text("headers-timeout", &args.traffic.headers_timeout);
    let body = text("body-timeout", &args.traffic.body_timeout);
    Ok(Timeouts {
        headers: read(headers, default.headers)?,
        body: read(body.clone(), default.body)?,
        stream: read(body, default.stream)?,
    })
}

/// What `--ca-file` names must be in order, as nothing can be trusted in its place. What the
/// environment names was often meant for other programs, and the system's roots remain.
fn roots(
    options: &CommonOptions,
    around: &Surroundings<'_>,
    lookup: &Lookup<'_>,
    warnings: &mut Vec<String>,
) -> Result<Roots, UsageError> {
    let mut parts = Vec::new();
    for given in lookup.list("ca-file", &options.ca_file) {
        let text = given.read(&given.text, around)?;
        parts.push(pem::roots(&text).map_err(|error| unusable(&given, error))?);
    }
    for name in ROOTS_VARIABLES {
        let Some(path) = around.env.get(*name).filter(|path| !path.is_empty()) else {
            continue;
        };
        match (around.read)(path.as_ref()) {
            Ok(text) => match pem::system_roots(text) {
                Ok(found) => parts.push(found),
                Err(error) => warnings.push(ignored(name, path, &error)),
            },
            Err(error) => warnings.push(ignored(name, path, &error)),
        }
    }
    check_system_roots(around, warnings);
    if around.env.get(UNCHECKED).is_some_and(|value| value == "0") {
        warnings.push(format!(
            "`{UNCHECKED}=0` has no effect: certificates are always checked, since anyone on the way could read tokens otherwise; name the certificate to trust with `--ca-file` or `NODE_EXTRA_CA_CERTS`"
        ));
    }
    Ok(Roots::gathered(parts))
}

/// The system's roots are read when they are needed; that they are not where a variable says can be
/// told before.
fn check_system_roots(around: &Surroundings<'_>, warnings: &mut Vec<String>) {
    let name = "SSL_CERT_FILE";
    let named = around.env.get(name).filter(|path| !path.is_empty());
    let Some(path) = named.filter(|_| !ROOTS_VARIABLES.contains(&name)) else {
        return;
    };
    match (around.read)(path.as_ref()).map(|text| pem::has_certificate(&text)) {
        Ok(true) => {}
        Ok(false) => warnings.push(ignored(name, path, &PemError::NoCertificate)),
        Err(error) => warnings.push(ignored(name, path, &error)),
    }
}

fn ignored(name: &str, path: &str, why: &dyn std::error::Error) -> String {
    format!(
        "the file `{}` in `{name}` is not used: {why}",
        diag::clean(path)
    )
}

fn unusable(given: &Given, error: PemError) -> UsageError {
    let text = format!(
        "the file `{}` of {} cannot be used: {error}",
        diag::clean(&given.text),
        given.origin
    );
    match error.hint() {
        Some(hint) => UsageError::new(text).with_hint(hint),
        None => UsageError::new(text),
    }
}

fn client_certificate(
    options: &CommonOptions,
    around: &Surroundings<'_>,
    lookup: &Lookup<'_>,
) -> Result<Option<ClientCertificate>, UsageError> {
    let certificate = lookup.text("client-cert", &options.client_cert);
    let key = lookup.text("client-key", &options.client_key);
    let (Some(certificate), key) = (certificate, key) else {
        return match lookup.text("client-key", &options.client_key) {
            None => Ok(None),
            Some(key) => Err(UsageError::new(format!(
                "{} needs the certificate that belongs to the key",
                key.origin
            ))
            .with_hint("name its file with `--client-cert`")),
        };
    };
    let key = key.as_ref().unwrap_or(&certificate);
    let chain = certificate.read(&certificate.text, around)?;
    let secret = zeroize::Zeroizing::new(key.read(&key.text, around)?);
    ClientCertificate::new(&chain, &secret)
        .map(Some)
        .map_err(|error| {
            let about_key = !matches!(
                error,
                PemError::NoCertificate | PemError::Certificate(_) | PemError::Form
            );
            unusable(if about_key { key } else { &certificate }, error)
        })
}

/// The file that holds the private key, which nobody else should be able to read.
pub(super) fn key_file(options: &CommonOptions, lookup: &Lookup<'_>) -> Option<PathBuf> {
    lookup
        .text("client-key", &options.client_key)
        .or_else(|| lookup.text("client-cert", &options.client_cert))
        .map(|given| PathBuf::from(given.text))
}

fn proxies(
    options: &CommonOptions,
    around: &Surroundings<'_>,
    lookup: &Lookup<'_>,
    warnings: &mut Vec<String>,
) -> Result<ProxySettings, UsageError> {
    let choice = match lookup.text("proxy", &options.proxy) {
        None => {
            warnings.extend(unusable_proxies(around));
            match lookup.switch("enable-proxy", options.enable_proxy)? {
                true => as_mcp_remote(around),
                false => ProxyChoice::System,
            }
        }
        Some(given) if given.text.is_empty() || given.text == "direct" => ProxyChoice::None,
        // The value may hold a password, so it is not repeated.
        Some(given) => ProxyChoice::One(ProxyUrl::parse(&given.text).ok_or_else(|| {
            UsageError::new(format!("{} is not the address of a proxy", given.origin)).with_hint(
                "write `http://HOST:PORT`, `https://…`, `socks5://…` or `socks5h://…`, with `USER:PASSWORD@` before the host if it wants that (special characters percent-encoded), or `direct` for none",
            )
        })?),
    };
    let ours = lookup
        .text("no-proxy", &options.no_proxy)
        .map(|given| given.text);
    let everybodys = ["NO_PROXY", "no_proxy"]
        .iter()
        .find_map(|name| around.env.get(*name))
        .cloned();
    let direct: Vec<String> = ours.into_iter().chain(everybodys).collect();
    Ok(ProxySettings {
        choice,
        direct: direct.join(","),
    })
}

/// The proxies that mcp-remote uses: of two spellings of a variable the one in small letters counts,
/// even if it is empty, and the proxy for http is that for https as well where none is set for that.
fn as_mcp_remote(around: &Surroundings<'_>) -> ProxyChoice {
    let variable = |names: [&str; 2]| {
        let value = names.iter().rev().find_map(|name| around.env.get(*name));
        value.and_then(|value| ProxyUrl::parse(value))
    };
    let http = variable(PROXY_VARIABLES[1]);
    let https = variable(PROXY_VARIABLES[0]).or_else(|| http.clone());
    match (http, https) {
        (None, None) => ProxyChoice::System,
        (http, https) => ProxyChoice::Each { http, https },
    }
}

/// Variables whose value no proxy can have: requests then go out as if they were not set, which a
/// person who set them should know.
fn unusable_proxies(around: &Surroundings<'_>) -> Vec<String> {
    let set = PROXY_VARIABLES.iter().filter_map(|names| {
        names
            .iter()
            .find_map(|name| Some((*name, around.env.get(*name)?)))
    });
    set.filter(|(_, value)| !value.is_empty() && ProxyUrl::parse(value).is_none())
        .map(|(name, _)| format!("`{name}` is not the address of a proxy, so it is not used"))
        .collect()
}

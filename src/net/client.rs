//! Builds the one HTTP client out of what the user and the system want, and sends with it.

use std::error::Error;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::header::{ACCEPT_ENCODING, HeaderValue};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{ClientBuilder, Method, Proxy, Request, Response, redirect};
use rustls::ClientConfig;

use url::Url;

use super::connections::watchful;
use super::guard::{Guard, Policy, lookup};
use super::proxy::{Proxies, ProxySettings, display_proxy};
use super::tls;
use super::trouble::{Trouble, Way};
use crate::pem::{ClientCertificate, Roots};

/// What the client can be told.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// How long a connection, proxy and TLS included, may take to come about.
    pub connect_timeout: Duration,
    /// Certificates to trust besides the system's.
    pub roots: Roots,
    /// What proves to servers that ask for it who we are.
    pub client_certificate: Option<ClientCertificate>,
    /// Which proxies are used.
    pub proxies: ProxySettings,
    /// Whether only IPv4 is used.
    pub ipv4: bool,
    /// Where a server may send us.
    pub policy: Policy,
}

impl Default for HttpSettings {
    /// For a server on this machine.
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            roots: Roots::default(),
            client_certificate: None,
            proxies: ProxySettings::default(),
            ipv4: false,
            policy: Policy::default(),
        }
    }
}

/// The client could not be built.
#[derive(Debug)]
pub struct HttpError(Box<dyn Error + Send + Sync>);

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot set up HTTP")
    }
}

impl Error for HttpError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.0.as_ref())
    }
}

/// Sent with every request.
pub(super) const USER_AGENT: &str = concat!("mcp-drawbridge/", env!("CARGO_PKG_VERSION"));

/// The HTTP client. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Client {
    /// What asks the user's own addresses without a proxy.
    direct: reqwest::Client,
    proxies: Proxies,
    connect_timeout: Duration,
    has_certificate: bool,
    others: Arc<Others>,
}

/// What is built when it is needed first.
#[derive(Debug)]
struct Others {
    guard: Guard,
    settings: HttpSettings,
    tls: ClientConfig,
    proxies: Proxies,
    /// What asks through a proxy. Apart from the one without, since the library looks for the proxy
    /// of each request to plain http anew, twice.
    proxied: OnceLock<reqwest::Client>,
    /// What asks addresses that a server named, with connections of its own: those of the other may
    /// lead where these may not.
    guarded: OnceLock<reqwest::Client>,
}

impl Others {
    fn proxied(&self) -> Result<&reqwest::Client, Trouble> {
        let proxies = self.proxies.clone();
        built(&self.proxied, || {
            own(&self.settings, self.tls.clone()).proxy(Proxy::custom(move |url| proxies.find(url)))
        })
    }

    fn guarded(&self) -> Result<&reqwest::Client, Trouble> {
        built(&self.guarded, || {
            common(&self.settings, self.tls.clone())
                .no_proxy()
                .dns_resolver(Arc::new(self.guard.clone()))
        })
    }
}

fn built(
    once: &OnceLock<reqwest::Client>,
    builder: impl FnOnce() -> ClientBuilder,
) -> Result<&reqwest::Client, Trouble> {
    if let Some(http) = once.get() {
        return Ok(http);
    }
    let http = build_one(builder()).map_err(|error| Trouble::unbuilt(&error))?;
    Ok(once.get_or_init(|| http))
}

fn build_one(builder: ClientBuilder) -> Result<reqwest::Client, HttpError> {
    builder.build().map_err(|error| HttpError(Box::new(error)))
}

/// Builds the client. Reads no file and opens nothing; the first https connection reads the
/// system's roots.
///
/// It follows no redirects (they would carry headers to other servers), and has no limit on the
/// time of an answer (a stream may stay open for hours).
pub fn build(settings: &HttpSettings) -> Result<Client, HttpError> {
    build_with(settings, Guard::new(settings.policy.clone(), settings.ipv4))
}

/// The same with a guard that knows more already.
pub(super) fn build_with(settings: &HttpSettings, guard: Guard) -> Result<Client, HttpError> {
    let tls = tls::client_config(settings.roots.clone(), settings.client_certificate.as_ref())
        .map_err(|error| HttpError(Box::new(error)))?;
    let proxies = Proxies::new(&settings.proxies);
    Ok(Client {
        direct: build_one(own(settings, tls.clone()).no_proxy())?,
        proxies: proxies.clone(),
        connect_timeout: settings.connect_timeout,
        has_certificate: settings.client_certificate.is_some(),
        others: Arc::new(Others {
            guard,
            settings: settings.clone(),
            tls,
            proxies,
            proxied: OnceLock::new(),
            guarded: OnceLock::new(),
        }),
    })
}

/// What asks the user's own addresses.
fn own(settings: &HttpSettings, tls: ClientConfig) -> ClientBuilder {
    let builder = common(settings, tls);
    match settings.ipv4 {
        true => builder.dns_resolver(Arc::new(Ipv4Only)),
        false => builder,
    }
}

fn common(settings: &HttpSettings, tls: ClientConfig) -> ClientBuilder {
    // A server, or what stands before it, that compresses an event stream may keep events back until
    // its buffer is full. RFC 9110 §12.5.3: without this header it may compress as it likes.
    let plain = (ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    // A request that the server refuses with a GOAWAY or REFUSED_STREAM is sent again twice: that is
    // what the library does unless told otherwise, and nothing else (RFC 9113 §8.7). IPv4 gets its
    // turn 300 ms after IPv6 (RFC 8305), which is the library's default as well.
    let builder = watchful(reqwest::Client::builder())
        .tls_backend_preconfigured(tls)
        .user_agent(USER_AGENT)
        .default_headers(HeaderMap::from_iter([plain]))
        .redirect(redirect::Policy::none())
        .connect_timeout(settings.connect_timeout)
        .tcp_nodelay(true)
        // A laptop that slept finds out that its connection is dead; without this every call on it
        // hangs. Idle connections cost no wake-ups.
        .http2_keep_alive_interval(Duration::from_secs(30))
        .http2_keep_alive_timeout(Duration::from_secs(15));
    match settings.ipv4 {
        // Binding to an IPv4 address keeps the library from addresses in URLs that are not.
        true => builder.local_address(Some(Ipv4Addr::UNSPECIFIED.into())),
        false => builder,
    }
}

/// A request in the making.
pub struct Draft {
    pub(super) http: Client,
    pub(super) request: Request,
}

impl Draft {
    /// The same with this body.
    pub fn body(mut self, body: Bytes) -> Self {
        *self.request.body_mut() = Some(body.into());
        self
    }
}

impl Client {
    /// Begins a request that this client is to send.
    pub fn request(&self, method: Method, url: Url) -> Draft {
        Draft {
            http: self.clone(),
            request: Request::new(method, url),
        }
    }

    /// The proxy that a request to this address goes through, fit for messages.
    pub fn proxy_for(&self, url: &Url) -> Option<String> {
        let proxy = self.proxies.find(url)?;
        Some(display_proxy(&proxy))
    }

    /// Sends a request. What the answer says is for the caller, except a proxy's refusal: that
    /// comes from no server.
    pub fn execute(
        &self,
        request: Request,
    ) -> impl Future<Output = Result<Response, Trouble>> + Send + use<'_> {
        let http = match self.proxies.find(request.url()) {
            None => Ok(&self.direct),
            Some(_) => self.others.proxied(),
        };
        // Handed over before it is awaited: those that wait, by the hundred, are smaller without it.
        let sent = http.map(|http| http.execute(request));
        async move { self.judge(sent?.await) }
    }

    /// Sends a request to an address that a server named, if it may send us there: if it is the
    /// user's own, or leads to an address that is good enough, which is connected to then.
    pub async fn execute_learnt(&self, request: Request) -> Result<Response, Trouble> {
        let url = request.url();
        if self.others.guard.is_own(url) {
            return self.execute(request).await;
        }
        self.check(url).await?;
        if self.proxies.find(url).is_some() {
            return self.execute(request).await;
        }
        self.judge(self.others.guarded()?.execute(request).await)
    }

    /// Whether a server may send us to this address, as far as that can be told without asking it.
    /// What says so for a name may say otherwise the next moment, so this is for addresses that
    /// others than this program will ask.
    pub async fn may_ask(&self, url: &Url) -> Result<(), Trouble> {
        if self.others.guard.is_own(url) {
            return Ok(());
        }
        self.check(url).await?;
        match (url.domain(), self.proxies.find(url)) {
            (Some(name), None) => self
                .others
                .guard
                .judge_name(name)
                .await
                .map_err(Trouble::forbidden),
            _ => Ok(()),
        }
    }

    /// Notes where an answer of the server itself came from.
    pub(super) fn reached(&self, address: IpAddr) {
        let guard = &self.others.guard;
        // What answers through a proxy is at the proxy's address.
        let through = guard.server().and_then(|server| self.proxies.find(server));
        if through.is_none() {
            guard.reached(address);
        }
    }

    /// Judges what can be judged before a connection is made. A proxy that is told addresses in
    /// place of names has them looked up here, but by the library, so that what is judged may not be
    /// what it is told; it reaches what it can reach, as with names.
    async fn check(&self, url: &Url) -> Result<(), Trouble> {
        let guard = &self.others.guard;
        guard.check(url).await.map_err(Trouble::forbidden)?;
        let told_addresses = |proxy: Url| matches!(proxy.scheme(), "socks4" | "socks5");
        match (
            url.domain(),
            self.proxies.find(url).is_some_and(told_addresses),
        ) {
            (Some(name), true) => guard.judge_name(name).await.map_err(Trouble::forbidden),
            _ => Ok(()),
        }
    }

    fn judge(&self, outcome: Result<Response, reqwest::Error>) -> Result<Response, Trouble> {
        match outcome {
            Ok(response) if response.status().as_u16() == 407 => {
                match self.proxies.find(response.url()) {
                    Some(proxy) => Err(Trouble::proxy_password(&proxy)),
                    None => Ok(response),
                }
            }
            Ok(response) => Ok(response),
            Err(error) => {
                let proxy = error.url().and_then(|url| self.proxies.find(url));
                let way = Way {
                    proxy: proxy.as_ref(),
                    connect_timeout: self.connect_timeout,
                    has_certificate: self.has_certificate,
                };
                Err(Trouble::of(&error, &way))
            }
        }
    }
}

/// Finds the IPv4 addresses of a host.
struct Ipv4Only;

impl Resolve for Ipv4Only {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = lookup(name.as_str(), true).await?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests;

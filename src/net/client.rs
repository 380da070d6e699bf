//! Builds the one HTTP client out of what the user and the system want, and sends with it.

use std::error::Error;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Proxy, redirect};
use rustls::ClientConfig;
use url::Url;

use super::connections::watchful;
use super::direct::{Direct, Names};
use super::guard::{Guard, Policy, lookup};
use super::proxy::{Proxies, ProxySettings, display_proxy};
use super::request::{Address, PROGRAM, Request, complete};
use super::response::{Response, decompressed, is_compressed};
use super::tls::{Tls, Trust};
use super::trouble::{Through, Trouble, Way};
use crate::pem::{ClientCertificate, Roots};

/// How often an HTTP/2 connection is asked whether the other side is still there. A laptop that
/// slept finds out that its connection is dead; without this every call on it hangs. Idle connections
/// cost no wake-ups.
pub(super) const PING_EVERY: Duration = Duration::from_secs(30);
/// How long the answer may take.
pub(super) const PING_ANSWER: Duration = Duration::from_secs(15);

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

/// The HTTP client. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Client(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    guard: Guard,
    settings: HttpSettings,
    tls: Tls,
    proxies: Proxies,
    /// What asks the user's own addresses without a proxy.
    direct: Direct,
    /// What asks addresses that a server named, with connections of its own: those of the other may
    /// lead where these may not. Built when it is needed first.
    guarded: OnceLock<Direct>,
    /// What asks through a proxy, built when it is needed first.
    proxied: OnceLock<reqwest::Client>,
}

impl Shared {
    fn guarded(&self) -> &Direct {
        self.guarded.get_or_init(|| {
            let names = Names::Judged(self.guard.clone());
            Direct::new(&self.settings, self.tls.clone(), names)
        })
    }

    fn proxied(&self) -> Result<&reqwest::Client, Trouble> {
        if let Some(http) = self.proxied.get() {
            return Ok(http);
        }
        let built = proxied(&self.settings, &self.tls, self.proxies.clone());
        let http = built.map_err(|error| Trouble::unbuilt(&error))?;
        Ok(self.proxied.get_or_init(|| http))
    }
}

/// Builds the client. Reads no file and opens nothing; the first https connection reads the
/// system's roots, beside what goes to the server and comes from it.
///
/// It follows no redirects (they would carry headers to other servers), and has no limit on the
/// time of an answer (a stream may stay open for hours).
pub fn build(settings: &HttpSettings) -> Result<Client, HttpError> {
    let trust = Trust::new(settings.roots.clone());
    let guard = Guard::new(settings.policy.clone(), settings.ipv4);
    build_with(settings, trust, guard)
}

/// The same with roots that may have been read already, and a guard that may know more.
pub(super) fn build_with(
    settings: &HttpSettings,
    trust: Trust,
    guard: Guard,
) -> Result<Client, HttpError> {
    // Sessions of connections before are not taken up: they could be told apart by it where they come
    // from another network (RFC 8446 appendix C.4).
    let tls = Tls::new(trust, settings.client_certificate.as_ref())
        .map_err(|error| HttpError(Box::new(error)))?;
    let names = Names::System {
        ipv4: settings.ipv4,
    };
    Ok(Client(Arc::new(Shared {
        guard,
        settings: settings.clone(),
        proxies: Proxies::new(&settings.proxies),
        direct: Direct::new(settings, tls.clone(), names),
        tls,
        guarded: OnceLock::new(),
        proxied: OnceLock::new(),
    })))
}

/// What asks through proxies.
fn proxied(
    settings: &HttpSettings,
    tls: &Tls,
    proxies: Proxies,
) -> Result<reqwest::Client, HttpError> {
    // A request that the server refuses with a GOAWAY or REFUSED_STREAM is sent again twice: that is
    // what the library does unless told otherwise, and nothing else (RFC 9113 §8.7). IPv4 gets its
    // turn 300 ms after IPv6 (RFC 8305), which is the library's default as well.
    let mut builder = watchful(reqwest::Client::builder())
        .tls_backend_preconfigured(ClientConfig::clone(&tls.config))
        // This is for the proxy; requests bring it along.
        .user_agent(PROGRAM)
        .redirect(redirect::Policy::none())
        .connect_timeout(settings.connect_timeout)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(PING_EVERY)
        .http2_keep_alive_timeout(PING_ANSWER)
        .proxy(Proxy::custom(move |url| proxies.find(url)));
    if settings.ipv4 {
        // Binding to an IPv4 address keeps the library from addresses in URLs that are not.
        builder = builder
            .local_address(Some(Ipv4Addr::UNSPECIFIED.into()))
            .dns_resolver(Arc::new(Ipv4Only));
    }
    builder.build().map_err(|error| HttpError(Box::new(error)))
}

/// A request in the making.
pub struct Draft {
    pub(super) http: Client,
    pub(super) request: Request,
}

impl Draft {
    /// The same with this body.
    pub fn body(mut self, body: Bytes) -> Self {
        self.request.body = body;
        self
    }
}

impl Client {
    /// Begins a request that this client is to send.
    pub fn request(&self, method: Method, to: impl Into<Address>) -> Draft {
        Draft {
            http: self.clone(),
            request: Request::new(method, to),
        }
    }

    /// The proxy that a request to this address goes through, fit for messages.
    pub fn proxy_for(&self, url: &Url) -> Option<String> {
        let proxy = self.0.proxies.find(url)?;
        Some(display_proxy(&proxy))
    }

    /// Sends a request. What the answer says is for the caller, except a proxy's refusal: that
    /// comes from no server.
    pub fn execute(
        &self,
        request: Request,
    ) -> impl Future<Output = Result<Response, Trouble>> + Send + use<'_> {
        self.execute_over(&self.0.direct, request)
    }

    /// Sends a request to an address that a server named, if it may send us there: if it is the
    /// user's own, or leads to an address that is good enough, which is connected to then.
    pub async fn execute_learnt(&self, request: Request) -> Result<Response, Trouble> {
        let url = request.to.url();
        if self.0.guard.is_own(url) {
            return self.execute(request).await;
        }
        self.check(url).await?;
        self.execute_over(self.0.guarded(), request).await
    }

    /// Sends a request through the proxy that is for it, or else with `direct`.
    fn execute_over(
        &self,
        direct: &Direct,
        mut request: Request,
    ) -> impl Future<Output = Result<Response, Trouble>> + Send + use<'_> {
        complete(&mut request.headers);
        let proxy = self.0.proxies.find(request.to.url());
        // Handed over before it is awaited: those that wait, by the hundred, are smaller without it.
        let sent = match (request.to.uri().cloned(), proxy) {
            (Some(uri), None) => Ok(direct.send(&uri, request)),
            (Some(_), Some(proxy)) => Err(Some(Box::pin(self.execute_proxied(request, proxy)))),
            (None, _) => Err(None),
        };
        async move {
            let response = match sent {
                Ok(sent) => sent.await,
                Err(Some(proxied)) => return proxied.await,
                Err(None) => return Err(Trouble::unsendable()),
            };
            match response {
                Ok(response) => Ok(match is_compressed(&response) {
                    true => Box::pin(decompressed(response)).await,
                    false => response.into(),
                }),
                Err(error) => Err(Trouble::of(&error, &self.way(None))),
            }
        }
    }

    async fn execute_proxied(&self, request: Request, proxy: Url) -> Result<Response, Trouble> {
        let mut sent = reqwest::Request::new(request.method, request.to.url().clone());
        *sent.headers_mut() = request.headers;
        if !request.body.is_empty() {
            *sent.body_mut() = Some(request.body.into());
        }
        let answered = self.0.proxied()?.execute(sent);
        match self.0.tls.trust.meanwhile(answered).await {
            Ok(response) if response.status() == StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
                Err(Trouble::proxy_password(&proxy))
            }
            Ok(response) => Ok(response.into()),
            Err(error) => {
                let to_plain = request.to.url().scheme() == "http";
                let through = Through {
                    proxy: &proxy,
                    to_plain,
                };
                Err(Trouble::of(&error, &self.way(Some(through))))
            }
        }
    }

    fn way<'a>(&self, through: Option<Through<'a>>) -> Way<'a> {
        Way {
            through,
            connect_timeout: self.0.settings.connect_timeout,
            has_certificate: self.0.settings.client_certificate.is_some(),
        }
    }

    /// Whether a server may send us to this address, as far as that can be told without asking it.
    /// What says so for a name may say otherwise the next moment, so this is for addresses that
    /// others than this program will ask.
    pub async fn may_ask(&self, url: &Url) -> Result<(), Trouble> {
        if self.0.guard.is_own(url) {
            return Ok(());
        }
        self.check(url).await?;
        match (url.domain(), self.0.proxies.find(url)) {
            (Some(name), None) => {
                let judged = self.0.guard.judge_name(name).await;
                judged.map_err(Trouble::forbidden)
            }
            _ => Ok(()),
        }
    }

    /// Whom it trusts.
    pub(super) fn trust(&self) -> &Trust {
        &self.0.tls.trust
    }

    /// Notes where an answer of the server itself came from.
    pub(super) fn reached(&self, address: IpAddr) {
        let guard = &self.0.guard;
        // What answers through a proxy is at the proxy's address.
        let through = guard
            .server()
            .and_then(|server| self.0.proxies.find(server));
        if through.is_none() {
            guard.reached(address);
        }
    }

    /// Judges what can be judged before a connection is made. A proxy that is told addresses in
    /// place of names has them looked up here, but by the library, so that what is judged may not be
    /// what it is told; it reaches what it can reach, as with names.
    async fn check(&self, url: &Url) -> Result<(), Trouble> {
        let guard = &self.0.guard;
        guard.check(url).await.map_err(Trouble::forbidden)?;
        let told_addresses = |proxy: Url| matches!(proxy.scheme(), "socks4" | "socks5");
        match (
            url.domain(),
            self.0.proxies.find(url).is_some_and(told_addresses),
        ) {
            (Some(name), true) => guard.judge_name(name).await.map_err(Trouble::forbidden),
            _ => Ok(()),
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

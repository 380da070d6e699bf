//! Networks as they are: TLS with a private CA, client certificates, proxies with a password,
//! HTTP/2, load balancers with cookies, and servers that are too slow. The proxies and TLS servers
//! are those of a distribution.

pub mod authority;
pub mod before;
mod client_certificate;
mod cookies;
mod encoding;
mod headers;
mod http2;
pub mod nginx;
mod proxy;
mod timeouts;
pub mod tinyproxy;
pub mod trust;

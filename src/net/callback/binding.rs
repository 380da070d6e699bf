//! How the ports are got that browsers come back to: on every address of this machine that a name stands
//! for, also where another program's connections have one of them.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpListener;

use super::{CallbackError, ports};

/// How long somebody who listens on a port may take to take a connection.
const KNOCK: Duration = Duration::from_millis(200);
/// How often a port is tried that connections hold.
const HELD_LOOKS: Duration = Duration::from_millis(50);
/// How often another port is tried when the system's choice cannot be used.
const PORT_TRIES: usize = 50;

/// Where to listen for a host, and how the host is written in an address.
pub(super) fn addresses(host: &str) -> Result<(Vec<IpAddr>, String), CallbackError> {
    let both = || vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<IpAddr>() {
        Ok(address) if !address.is_loopback() => Err(CallbackError::NotLoopback(host.to_owned())),
        Ok(IpAddr::V6(address)) => Ok((vec![address.into()], format!("[{address}]"))),
        Ok(IpAddr::V4(address)) => Ok((vec![address.into()], address.to_string())),
        Err(_) => match url::Host::parse(host) {
            Ok(url::Host::Domain(name)) => Ok((both(), name)),
            _ => Err(CallbackError::NotLoopback(host.to_owned())),
        },
    }
}

/// Listens on one port of every address that this machine has; at least one. Gives the addresses, too,
/// where the port is held by connections only: systems give outgoing ones any port of many, and keep
/// it for a minute after their end. Nobody else can listen there meanwhile, and browsers that find
/// nobody there come to the other address of the name.
pub(super) fn listen(
    addresses: &[IpAddr],
    port: u16,
) -> Result<(Vec<std::net::TcpListener>, Vec<IpAddr>), CallbackError> {
    let mut listeners: Vec<std::net::TcpListener> = Vec::new();
    let mut held = Vec::new();
    let mut missing = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        // The second family takes the port that the first one was given.
        let port = match listeners.first() {
            Some(first) => first.local_addr().map_err(CallbackError::Listen)?.port(),
            None => port,
        };
        match std::net::TcpListener::bind(SocketAddr::new(*address, port)) {
            Ok(listener) => listeners.push(listener),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                if is_listened_on(SocketAddr::new(*address, port)) {
                    return Err(CallbackError::Taken(port));
                }
                held.push(*address);
            }
            Err(error) if lacks_family(&error) => missing = error,
            Err(error) => return Err(CallbackError::Listen(error)),
        }
    }
    match (listeners.is_empty(), held.is_empty()) {
        (true, true) => Err(CallbackError::Listen(missing)),
        (true, false) => Err(CallbackError::Held(port)),
        (false, _) => Ok((listeners, held)),
    }
}

/// Whether somebody takes connections there.
fn is_listened_on(address: SocketAddr) -> bool {
    let reached = std::net::TcpStream::connect_timeout(&address, KNOCK);
    !reached.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

/// Listens as soon as the port is free, before anybody else does.
pub(super) async fn once_free(address: SocketAddr) -> TcpListener {
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return listener,
            Err(_) => tokio::time::sleep(HELD_LOOKS).await,
        }
    }
}

/// Whether this machine has no such address: containers often lack IPv6.
fn lacks_family(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported
    ) || match () {
        // EAFNOSUPPORT
        () if cfg!(target_os = "linux") => error.raw_os_error() == Some(97),
        () if cfg!(unix) => error.raw_os_error() == Some(47),
        // WSAEAFNOSUPPORT
        () => error.raw_os_error() == Some(10047),
    }
}

/// Listens on a port of the system's choice that browsers open and that is free in all families.
pub(super) fn listen_anywhere(
    addresses: &[IpAddr],
) -> Result<Vec<std::net::TcpListener>, CallbackError> {
    // Held until the search is over, so that the system does not offer them again.
    let mut unusable = Vec::new();
    let mut trouble = CallbackError::Listen(io::ErrorKind::AddrInUse.into());
    for _ in 0..PORT_TRIES {
        match listen(addresses, 0) {
            // One that is held in a family is as good as taken, where there are others.
            Ok((listeners, held)) if !held.is_empty() => unusable.push(listeners),
            Ok((listeners, _)) => {
                let port = listeners[0].local_addr().map_err(CallbackError::Listen)?;
                if !ports::is_blocked(port.port()) {
                    return Ok(listeners);
                }
                unusable.push(listeners);
            }
            Err(taken @ (CallbackError::Taken(_) | CallbackError::Held(_))) => trouble = taken,
            Err(error) => return Err(error),
        }
    }
    Err(trouble)
}

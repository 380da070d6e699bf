//! The place that a browser comes back to: a listener, or, where there can be none, an address that
//! a person copies.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::net::callback::{CallbackError, Listener};

/// How a port is listened on; without one, the system chooses.
pub type Listen = Arc<dyn Fn(Option<u16>) -> Result<Listener, CallbackError> + Send + Sync>;

/// How long a fixed port that is taken is waited for, and how often it is tried meanwhile. AI clients
/// are to have the error as the answer to `initialize`, which they get after two seconds at the latest.
const PORT_PATIENCE: Duration = Duration::from_secs(1);
const PORT_LOOKS: Duration = Duration::from_millis(50);
/// The same for a fixed port that only a connection has: systems keep it for a minute, or two, after
/// the connection's end. Nobody is to blame for it, and the person has yet to be asked.
const HELD_PATIENCE: Duration = Duration::from_secs(130);
const HELD_LOOKS: Duration = Duration::from_millis(250);
/// The port of redirect URIs that nobody listens on, where nothing says another.
const UNHEARD_PORT: u16 = 3334;

/// Where a browser ends.
#[derive(Debug)]
pub enum Door {
    /// Here.
    Open(Listener),
    /// On a page that it cannot load, whose address a person can copy.
    Walled {
        /// The port in that address.
        port: u16,
        /// Why nothing listens here.
        why: CallbackError,
    },
}

impl Door {
    /// The port of the redirect URI.
    pub fn port(&self) -> u16 {
        match self {
            Self::Open(listener) => listener.port(),
            Self::Walled { port, .. } => *port,
        }
    }
}

/// The same as [`open`], but a fixed port that is taken is waited for a moment, since the process that
/// had the sign-in before may not be gone yet, and one that only a connection has until that is over.
/// `waiting` is told of the latter, once and not before it takes long.
pub async fn opened(
    listen: &Listen,
    port: Option<u16>,
    strict: bool,
    waiting: impl FnOnce(&CallbackError),
) -> Result<Door, CallbackError> {
    let begun = Instant::now();
    let mut waiting = Some(waiting);
    loop {
        let (error, patience, pause) = match open(listen, port, strict) {
            Err(error @ CallbackError::Taken(_)) => (error, PORT_PATIENCE, PORT_LOOKS),
            Err(error @ CallbackError::Held(_)) => (error, HELD_PATIENCE, HELD_LOOKS),
            other => return other,
        };
        let waited = begun.elapsed();
        if !strict || waited >= patience {
            return Err(error);
        }
        if waited >= PORT_PATIENCE
            && let Some(waiting) = waiting.take()
        {
            waiting(&error);
        }
        tokio::time::sleep(pause).await;
    }
}

/// Listens on `port`, else on another one unless `strict`. A system that lets us listen on no port
/// at all leaves a wall; a fixed port that cannot be had is an error, since the browser would
/// bring the code to whoever has it.
pub fn open(listen: &Listen, port: Option<u16>, strict: bool) -> Result<Door, CallbackError> {
    let refused = match listen(port) {
        Ok(listener) => return Ok(Door::Open(listener)),
        Err(error) => error,
    };
    let (wanted, any) = match port {
        None => (UNHEARD_PORT, Err(refused)),
        Some(port) if !strict => (port, listen(None)),
        Some(port) => match (refused, listen(None)) {
            (CallbackError::Listen(_), any @ Err(CallbackError::Listen(_))) => (port, any),
            // Other ports can be listened on, so it is about this one.
            (refused, _) => return Err(refused),
        },
    };
    match any {
        Ok(listener) => Ok(Door::Open(listener)),
        Err(why @ CallbackError::Listen(_)) => Ok(Door::Walled { port: wanted, why }),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    fn really(port: Option<u16>) -> Result<Listener, CallbackError> {
        Listener::bind("localhost", None, port, "/")
    }

    fn not_at_all(_: Option<u16>) -> Result<Listener, CallbackError> {
        Err(CallbackError::Listen(
            io::ErrorKind::AddrNotAvailable.into(),
        ))
    }

    fn only_any(port: Option<u16>) -> Result<Listener, CallbackError> {
        match port {
            None => really(None),
            Some(_) => Err(CallbackError::Listen(
                io::ErrorKind::PermissionDenied.into(),
            )),
        }
    }

    fn listen(
        how: impl Fn(Option<u16>) -> Result<Listener, CallbackError> + Send + Sync + 'static,
    ) -> Listen {
        Arc::new(how)
    }

    #[tokio::test]
    async fn a_machine_without_loopback_leaves_a_wall_at_the_wanted_port() {
        for (port, strict, expected) in [
            (None, false, UNHEARD_PORT),
            (Some(4000), false, 4000),
            (Some(4000), true, 4000),
        ] {
            let door = open(&listen(not_at_all), port, strict).unwrap();
            assert!(matches!(door, Door::Walled { .. }), "{port:?} {strict}");
            assert_eq!(door.port(), expected);
        }
    }

    #[tokio::test]
    async fn a_fixed_port_that_cannot_be_had_is_an_error() {
        let other = really(None).unwrap();
        let taken = Some(other.port());
        let error = open(&listen(really), taken, true).unwrap_err();
        assert!(matches!(error, CallbackError::Taken(_)), "{error}");
        // A port below 1024, as a rule.
        let error = open(&listen(only_any), Some(80), true).unwrap_err();
        assert!(matches!(error, CallbackError::Listen(_)), "{error}");
        // Browsers would not go there, wall or not.
        let error = open(&listen(really), Some(6000), true).unwrap_err();
        assert!(matches!(error, CallbackError::Blocked(6000)), "{error}");
    }

    #[tokio::test]
    async fn another_port_will_do_unless_it_is_fixed() {
        let other = really(None).unwrap();
        let door = open(&listen(really), Some(other.port()), false).unwrap();
        assert!(matches!(&door, Door::Open(listener) if listener.port() != other.port()));
        let door = open(&listen(only_any), Some(80), false).unwrap();
        assert!(matches!(door, Door::Open(_)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_fixed_port_that_falls_free_is_taken() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let held = std::sync::Mutex::new((3, Some(taken)));
        let listen: Listen = Arc::new(move |port| {
            let mut held = held.lock().unwrap();
            held.0 -= 1;
            if held.0 == 0 {
                held.1 = None;
            }
            really(port)
        });
        let door = opened(&listen, Some(port), true, unexpected).await.unwrap();
        assert_eq!(door.port(), port);
    }

    fn unexpected(error: &CallbackError) {
        panic!("{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_fixed_port_that_a_connection_has_is_waited_for_and_that_is_told_once() {
        for (minutes, comes) in [(1, true), (5, false)] {
            let free = Instant::now() + Duration::from_secs(60 * minutes);
            let listen: Listen = Arc::new(move |port| match port {
                Some(port) if Instant::now() < free => Err(CallbackError::Held(port)),
                _ => really(None),
            });
            let mut told = 0;
            let door = opened(&listen, Some(4000), true, |_| told += 1).await;
            match comes {
                true => assert!(matches!(door, Ok(Door::Open(_)))),
                false => assert!(matches!(door, Err(CallbackError::Held(4000)))),
            }
            assert_eq!(told, 1);
            // Where it is not fixed, nobody waits.
            let begun = Instant::now();
            let door = opened(&listen, Some(4000), false, unexpected).await;
            assert!(matches!(door, Ok(Door::Open(_))) && begun.elapsed().is_zero());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_fixed_port_that_stays_taken_is_an_error_in_the_end() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let listen: Listen = Arc::new(really);
        let error = opened(&listen, Some(port), true, unexpected)
            .await
            .unwrap_err();
        assert!(matches!(error, CallbackError::Taken(_)), "{error}");
        // Another one is as good where it is not fixed.
        let door = opened(&listen, Some(port), false, unexpected)
            .await
            .unwrap();
        assert_ne!(door.port(), port);
    }
}

//! The default command: joins stdin and stdout to the remote server.

use crate::access::{Access, Bearer};
use crate::bridge::{self, Ending, Memory, Signal, Wire, Writing};
use crate::config::{AuthMode, Config};
use crate::diag::Diag;
use crate::error::Error;
use crate::login::Login;
use crate::net::connections::Connections;
use crate::stdio::{Lines, Output};
use crate::store::{FileStore, StoreError};

/// Runs until the AI client goes away.
pub async fn run(config: &Config, diag: &Diag) -> Result<(), Error> {
    let lines = Lines::stdin();
    let output = Output::stdout();
    let diag = diag.for_host(&config.server.host());
    super::check_key_file(config, &diag);
    let http = Connections::new(config.http.clone()).map_err(Error::Http)?;
    let (access, task) = match config.auth {
        AuthMode::Bearer => (bearer(config), None),
        _ => {
            let (login, task) = Login::start(config, http.clone(), diag.clone())?;
            // The AI client's first line is yet to come.
            login.read_ahead();
            (Access::Login(login), Some(task))
        }
    };
    let wire = Wire {
        memory: memory(config, &diag),
        keep_alive: config.keep_alive,
        ..super::wire(config, http, access, diag)
    };
    // In a task of its own: the runtime wakes its tasks without a system call, and the future that
    // it was started with by two.
    let ending = match tokio::spawn(bridge::run(wire, task, lines, output)).await {
        Ok(ending) => ending,
        // Nobody aborts it.
        Err(died) => std::panic::resume_unwind(died.into_panic()),
    };
    match ending {
        Ending::Signal(Signal::Interrupt) => Err(Error::Interrupted),
        Ending::Signal(Signal::End) | Ending::ClientGone | Ending::ParentGone => Ok(()),
        Ending::Unread => Err(Error::Unread),
        Ending::OutputFailed(error) => Err(Error::Stdout(error)),
    }
}

/// What the user gave in place of a sign-in.
pub(super) fn bearer(config: &Config) -> Access {
    match &config.bearer {
        Some(source) => Access::Bearer(Bearer::new(source.clone())),
        None => Access::Header,
    }
}

/// Where hints about the server are kept. They can be done without.
fn memory(config: &Config, diag: &Diag) -> Option<Memory> {
    let folder = config.base.dir.clone().ok_or(StoreError::NoFolder);
    match folder.and_then(FileStore::open) {
        Ok(store) => Some(Memory {
            store,
            key: config.key.clone(),
            server: config.server.clone(),
            writing: Writing::default(),
        }),
        Err(error) => {
            diag.debug(format_args!("nothing is kept about the server: {error}"));
            None
        }
    }
}

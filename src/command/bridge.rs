//! The default command: joins stdin and stdout to the remote server.

use std::time::Duration;

use crate::bridge::{self, Memory, Wire};
use crate::config::{AuthMode, Config};
use crate::diag::Diag;
use crate::error::Error;
use crate::login::Login;
use crate::net::connections::Connections;
use crate::stdio::{Output, read_lines};
use crate::store::Store;

/// How long the end waits for tokens that are on their way, and for browsers to take their page.
const LAST_TOKENS: Duration = Duration::from_secs(2);

/// Runs until the AI client goes away.
pub async fn run(config: &Config, diag: &Diag) -> Result<(), Error> {
    let lines = read_lines(std::io::stdin());
    let output = Output::start(std::io::stdout());
    let diag = diag.for_host(&config.server.host());
    super::check_key_file(config, &diag);
    let http = Connections::new(config.http.clone()).map_err(Error::Http)?;
    let (login, task) = match config.auth {
        AuthMode::Bearer => (None, None),
        AuthMode::OAuth => {
            let (login, task) = Login::start(config, http.clone(), diag.clone())?;
            (Some(login), Some(task))
        }
    };
    let memory = memory(config, &diag);
    let wire = Wire {
        remote: super::remote(config, http),
        login,
        memory,
        transport: config.transport,
        server: config.server.host(),
        diag,
        keep_alive: config.keep_alive,
    };
    bridge::run(wire, lines, output).await;
    if let Some(task) = task {
        // An answer with new tokens on its way must reach the disk.
        let _ = tokio::time::timeout(LAST_TOKENS, task.ended()).await;
    }
    Ok(())
}

/// Where hints about the server are kept. A sign-in cannot do without the folder, and says so; hints
/// can.
fn memory(config: &Config, diag: &Diag) -> Option<Memory> {
    match Store::open(config.base.dir.clone()) {
        Ok(store) => Some(Memory {
            store,
            key: config.key.clone(),
            server: config.server.clone(),
        }),
        Err(error) => {
            diag.debug(format_args!("nothing is kept about the server: {error}"));
            None
        }
    }
}

//! The default command: joins stdin and stdout to the remote server.

use crate::bridge::{self, Ending, Memory, Signal, Wire};
use crate::config::{AuthMode, Config};
use crate::diag::Diag;
use crate::error::Error;
use crate::login::Login;
use crate::net::http::{self as http_client, HttpSettings};
use crate::net::remote::Remote;
use crate::stdio::{Output, read_lines};
use crate::store::Store;

/// Runs until the AI client goes away.
pub async fn run(config: &Config, diag: &Diag) -> Result<(), Error> {
    let lines = read_lines(std::io::stdin());
    let output = Output::stdout();
    let diag = diag.for_host(&config.server.host());
    let http = http_client::build(&HttpSettings {
        connect_timeout: config.base.connect_timeout,
        ca_file: config.base.ca_file.clone(),
    })
    .map_err(Error::Http)?;
    let (login, task, memory) = match config.auth {
        AuthMode::Bearer => (None, None, None),
        AuthMode::OAuth => {
            let (login, task) = Login::start(config, http.clone(), diag.clone())?;
            let memory = Memory {
                store: Store::open(config.base.dir.clone())?,
                key: config.key.clone(),
                server: config.server.clone(),
            };
            (Some(login), Some(task), Some(memory))
        }
    };
    let wire = Wire {
        remote: Remote::new(http, &config.server, config.headers.clone()),
        login,
        memory,
        server: config.server.host(),
        diag,
    };
    match bridge::run(wire, task, lines, output).await {
        Ending::Signal(Signal::Interrupt) => Err(Error::Interrupted),
        Ending::Signal(Signal::End) | Ending::ClientGone | Ending::ParentGone => Ok(()),
    }
}

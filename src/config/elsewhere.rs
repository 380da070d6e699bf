//! What mcp-remote makes of the same arguments: where it keeps the sign-in, and its callback port.

use std::path::PathBuf;

use super::headers::Line;
use super::which::Which;
use super::{Resource, Surroundings};
use crate::compat::callback_port::Parts;
use crate::compat::import::{FOLDER, Names, Place, VARIABLE};
use crate::net::callback::is_blocked;

/// What mcp-remote is given.
pub(super) struct Theirs {
    server: String,
    resource: Option<String>,
    authorize_params: Vec<(String, String)>,
    headers: Vec<String>,
    client_metadata_url: Option<String>,
    token_endpoint: Option<String>,
}

impl Theirs {
    /// `server` is the server's address as the user wrote it, `resource` what requests name.
    pub fn new(server: &str, lines: &[Line], (which, resource): (&Which, &Resource)) -> Self {
        let endpoints = which.endpoints.as_ref();
        Self {
            server: server.to_owned(),
            resource: match resource {
                Resource::Given(resource) => Some(resource.as_str().to_owned()),
                Resource::Discovered | Resource::Omitted => None,
            },
            authorize_params: which.given_params.clone(),
            headers: lines.iter().map(|line| line.text.clone()).collect(),
            client_metadata_url: which.clients.document_url.clone(),
            token_endpoint: endpoints.map(|given| given.token_endpoint.to_string()),
        }
    }

    fn parts<'a>(&'a self, headers: &'a [&'a str]) -> Parts<'a> {
        Parts {
            server: &self.server,
            resource: self.resource.as_deref(),
            authorize_params: &self.authorize_params,
            headers,
            client_metadata_url: self.client_metadata_url.as_deref(),
            token_endpoint: self.token_endpoint.as_deref(),
        }
    }

    /// The callback port.
    pub fn port(&self) -> u16 {
        let headers: Vec<&str> = self.headers.iter().map(String::as_str).collect();
        self.parts(&headers).port(is_blocked)
    }

    /// Where the sign-in is; `None` if this system names no home.
    pub fn place(&self, around: &Surroundings<'_>) -> Option<Place> {
        let headers: Vec<&str> = self.headers.iter().map(String::as_str).collect();
        Some(Place {
            base: base(around)?,
            names: Names::new(&self.parts(&headers)),
            server: self.server.clone(),
        })
    }
}

/// The folder of mcp-remote's sign-ins. It does not expand a `~`, nor do we.
pub(super) fn base(around: &Surroundings<'_>) -> Option<PathBuf> {
    let variable = around.env.get(VARIABLE).filter(|text| !text.is_empty());
    match variable {
        Some(folder) => Some(PathBuf::from(folder)),
        None => Some(around.home_dir.as_ref()?.join(FOLDER)),
    }
}

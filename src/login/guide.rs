//! What a person is told who signs in with a browser that cannot come back to this machine.

use crate::browser::{BrowserError, Place};
use crate::config::Again;

/// Who reads what a sign-in says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Audience {
    /// The user of an AI client that runs the bridge, in its log.
    #[default]
    AiClient,
    /// Somebody at a terminal, who is asked for the address that the browser ended on.
    Asked,
    /// Somebody who runs a command and is not asked.
    Command,
}

/// One line of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// What does not work here.
    Warning(String),
    /// A way to sign in all the same.
    Way(String),
}

/// The redirect URI of an open sign-in, and how else it can be finished.
#[derive(Debug)]
pub struct Guide<'a> {
    /// Who reads it.
    pub audience: Audience,
    /// How the user repeats the sign-in in a terminal.
    pub again: &'a Again,
    /// Host of the redirect URI.
    pub host: String,
    /// Port of the redirect URI.
    pub port: u16,
    /// Whether it is listened on for browsers that come in over the network, too.
    pub open_to_network: bool,
    /// Whether it is listened on at all.
    pub open: bool,
}

impl Guide<'_> {
    /// What to say when no browser could be opened. `place` is where this program runs, if nobody
    /// looks at its screen.
    pub fn not_opened(&self, error: &BrowserError, place: Option<&Place>) -> Vec<Line> {
        let place = match error {
            BrowserError::Nowhere(place) => Some(place),
            BrowserError::Address(_) | BrowserError::Start { .. } => place,
        };
        let to_do = match (error, place) {
            (BrowserError::Address(_), _) => {
                return vec![Line::Warning(format!(
                    "{error}; ask the server's operator, whose mistake it is"
                ))];
            }
            (_, None) => {
                "open the address in a browser on this machine, or set BROWSER to a program that does"
            }
            (_, Some(Place::Wsl)) => {
                "open the address in a browser on Windows, which finds its way back as a rule"
            }
            (_, Some(Place::NoDisplay)) => {
                "open the address in a browser on this machine or on your own, or set DISPLAY, WAYLAND_DISPLAY or BROWSER for mcp-drawbridge"
            }
            (_, Some(_)) => "open the address in a browser on your own machine",
        };
        let mut lines = vec![Line::Warning(format!("{error}; {to_do}"))];
        let Some(place) = place.filter(|_| self.open) else {
            return lines;
        };
        let mut ways: Vec<String> = self.forward(place).into_iter().collect();
        ways.extend(self.paste(Some(place)));
        // What works at once comes first; a container would have to be started anew.
        if matches!(place, Place::Container) && !self.open_to_network {
            ways.reverse();
        }
        ways.push(self.code());
        lines.extend(ways.into_iter().map(Line::Way));
        lines
    }

    /// What to say when a browser was opened that may be on another machine.
    pub fn opened(&self, place: Option<&Place>) -> Vec<Line> {
        let elsewhere = match place {
            // A browser that was opened on this machine, or on its Windows, finds its way back.
            None | Some(Place::NoDisplay | Place::Wsl) => false,
            Some(_) => true,
        };
        match elsewhere && self.open {
            true => self.paste(place).map(Line::Way).into_iter().collect(),
            false => Vec::new(),
        }
    }

    /// What to say when nothing could be listened on.
    pub fn walled(&self, why: &str) -> Vec<Line> {
        let end = "so the browser will end on a page that it cannot load";
        let mut lines = vec![Line::Warning(format!("{why}; {end}"))];
        lines.extend(self.paste(None).map(Line::Way));
        lines.push(Line::Way(self.code()));
        lines
    }

    /// How the browser's way back is made.
    fn forward(&self, place: &Place) -> Option<String> {
        let (host, port) = (&self.host, self.port);
        let first = "for the browser to come back by itself, first run on your own machine";
        Some(match place {
            Place::Ssh | Place::NoDisplay => {
                let host_name = match place {
                    Place::Ssh => "HOST is what you gave `ssh` for this session",
                    _ => "HOST is this machine; you do not need it if the browser is here",
                };
                format!("{first}: `ssh -L {port}:{host}:{port} HOST`; {host_name}")
            }
            Place::Pod { namespace, name } => {
                let namespace = match namespace {
                    Some(namespace) => format!(" -n {namespace}"),
                    None => String::new(),
                };
                let name = name.as_deref().unwrap_or("POD");
                format!("{first}: `kubectl port-forward{namespace} pod/{name} {port}:{port}`")
            }
            Place::Codespace { name } => {
                let name = name.as_deref().unwrap_or("CODESPACE");
                format!("{first}: `gh codespace ports forward {port}:{port} -c {name}`")
            }
            Place::VsCode => format!(
                "for the browser to come back by itself, first forward port {port} in VS Code, in the view `Ports`"
            ),
            Place::Container if self.open_to_network => format!(
                "the browser comes back by itself if the container was started with `-p 127.0.0.1:{port}:{port}`"
            ),
            Place::Container => {
                let again = self.again.login_published(port);
                format!(
                    "for the browser to come back by itself next time, start the container with `-p 127.0.0.1:{port}:{port}`, and run {again}"
                )
            }
            Place::Wsl => return None,
        })
    }

    /// How the address that the browser ends on is brought here by hand. Who is asked for it need
    /// not be told.
    fn paste(&self, place: Option<&Place>) -> Option<String> {
        let then = "if the browser ends on a page that it cannot load";
        let here = match place {
            Some(Place::Container | Place::Pod { .. }) => "in a terminal in this container",
            Some(Place::Codespace { .. }) => "in a terminal of the codespace",
            _ => "in a terminal on this machine",
        };
        let again = self.again.login();
        Some(match (self.audience, self.open) {
            (Audience::Asked, _) => return None,
            (Audience::Command, true) => format!(
                "{then}, write the address of that page to stdin as a line, or run {again} {here} and paste it"
            ),
            (Audience::Command, false) => {
                format!("{then}, write the address of that page to stdin as a line")
            }
            (Audience::AiClient, true) => format!(
                "{then}, give the address of that page to the tool `sign_in` in the AI client, or run {again} {here} and paste it"
            ),
            (Audience::AiClient, false) => format!(
                "{then}, give the address of that page to the tool `sign_in` in the AI client"
            ),
        })
    }

    /// How to do without a way back.
    fn code(&self) -> String {
        let again = self.again.login_with_code();
        let end = match self.audience {
            Audience::AiClient => "end the AI client and run",
            Audience::Asked | Audience::Command => "end this and run",
        };
        format!(
            "or {end} {again} to enter a code in any browser instead, where the authorization server offers that"
        )
    }
}

#[cfg(test)]
mod tests;

//! What the person who is needed gets to see.

use std::sync::PoisonError;

use tokio::time::Instant;
use url::Url;

use super::super::door::Door;
use super::super::guide::{Guide, Line};
use super::Hands;
use crate::browser;
use crate::net::callback::Page;
use crate::oauth::authorize::{Attempt, AuthorizationUrl};
use crate::oauth::flow::Event;
use crate::oauth::invitation::{Invitation, Standing};

/// What is said of an address that the user has open already, as far as anybody knows.
const OPEN_ALREADY: &str = "finish the sign-in in the browser tab that is open already, or here";

/// What was said to somebody who waits for another process.
#[derive(Default)]
pub(super) struct Said {
    /// That they wait.
    waiting: bool,
    /// The address that the other has open.
    address: Option<AuthorizationUrl>,
}

impl Hands {
    /// Says whom we wait for, and what a person can do about it. `said` is what was said before.
    pub(super) fn announce(&self, attempt: Option<&Attempt>, said: &mut Said) {
        match attempt.map(|attempt| &attempt.address) {
            Some(address) if said.address.as_ref() != Some(address) => {
                self.rim.diag.always(format_args!(
                    "another bridge is signing in; {OPEN_ALREADY}: {}",
                    address.0
                ));
                said.address = Some(address.clone());
            }
            None if !said.waiting => self
                .rim
                .diag
                .note("another bridge is signing in; waiting for its browser tab to be finished"),
            _ => {}
        }
        said.waiting = true;
        let open = attempt.map(Invitation::from);
        self.publish(open.map_or(Standing::Preparing, Standing::Elsewhere));
    }

    /// Says what a person has to do, if that has changed.
    pub(super) fn publish(&self, standing: Standing) {
        let since = self.rim.needed_since.lock();
        let mut since = since.unwrap_or_else(PoisonError::into_inner);
        *since = match standing.needs_person() {
            true => since.or_else(|| Some(Instant::now())),
            false => None,
        };
        self.rim.standing.send_if_modified(|published| {
            let changed = *published != standing;
            *published = standing;
            changed
        });
    }

    pub(super) fn open_browser(&mut self, attempt: &Attempt, resumed: bool) -> Event {
        let rim = self.rim.clone();
        self.dismiss(Page::Failed {
            server: rim.settings.server.host(),
            reason: "The sign-in has to be done once more, in another tab.".to_owned(),
        });
        if let Some(turn) = &self.turn
            && let Err(error) = rim.store.write_attempt(turn, attempt)
        {
            rim.diag.debug(format_args!(
                "the open sign-in cannot be noted, so no other process can finish it: {error}"
            ));
        }
        let browser_opened = self.show(attempt, resumed);
        self.publish(Standing::Open(Invitation {
            browser_opened,
            ..attempt.into()
        }));
        Event::BrowserOpened
    }

    /// Puts the address before a person, and says how to bring the answer here by hand where that
    /// may be needed. Says whether they see it in a browser already.
    fn show(&self, attempt: &Attempt, resumed: bool) -> bool {
        let rim = &self.rim;
        let address = attempt.address.0.as_str();
        let browser = rim.machine.browser.as_ref();
        let opened = browser
            .filter(|_| !resumed)
            .map(|open| open(&attempt.address.0));
        match &opened {
            _ if resumed => rim.diag.always(format_args!("{OPEN_ALREADY}: {address}")),
            Some(Ok(())) => rim.diag.always(format_args!(
                "opening the browser to sign in; if none appears, open this address: {address}"
            )),
            None | Some(Err(_)) => rim
                .diag
                .always(format_args!("open this address to sign in: {address}")),
        }
        let guide = self.guide(attempt);
        let place = opened.as_ref().and_then(|_| (rim.machine.place)());
        let lines = match &opened {
            Some(Ok(())) => guide.opened(place.as_ref()),
            Some(Err(error)) => guide.not_opened(error, place.as_ref()),
            None => Vec::new(),
        };
        let walled = match &self.door {
            Some(Door::Walled { why, .. }) => guide.walled(&why.to_string()),
            _ => Vec::new(),
        };
        for line in lines.into_iter().chain(walled) {
            match line {
                Line::Warning(text) => rim.diag.warn(text),
                Line::Way(text) => rim.diag.note(text),
            }
        }
        match opened {
            Some(opened) => opened.is_ok(),
            // The tab is one of this machine's, if it can have any.
            None => resumed && browser.is_some() && browser::is_possible(),
        }
    }

    fn guide(&self, attempt: &Attempt) -> Guide<'_> {
        let rim = &self.rim;
        let redirect_uri = Url::parse(&attempt.redirect_uri).ok();
        let host = redirect_uri.and_then(|uri| uri.host_str().map(str::to_owned));
        Guide {
            audience: rim.audience.get().copied().unwrap_or_default(),
            again: &rim.again,
            host: host.unwrap_or_else(|| rim.settings.redirect.host.clone()),
            port: self.door.as_ref().map_or(0, Door::port),
            open_to_network: rim.machine.open_to_network,
            open: matches!(self.door, Some(Door::Open(_))),
        }
    }
}

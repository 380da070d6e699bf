//! What the person who is needed gets to see.

use std::sync::PoisonError;

use tokio::time::Instant;
use url::Url;

use super::super::door::Door;
use super::super::guide::{Guide, Line};
use super::Hands;
use crate::browser;
use crate::diag::clean;
use crate::net::callback::Page;
use crate::oauth::authorize::Attempt;
use crate::oauth::flow::Event;
use crate::oauth::invitation::{Invitation, Open, Standing};

/// What was said to somebody who waits for another process.
#[derive(Default)]
pub(super) struct Said {
    /// That they wait.
    waiting: bool,
    /// What the other asks for.
    invitation: Option<Invitation>,
}

impl Hands {
    /// Says whom we wait for, and what a person can do about it: an address or a code that another
    /// process shows is good for whoever reads this log, too. `said` is what was said before.
    pub(super) fn announce(&self, open: Option<&Open>, said: &mut Said) {
        let diag = &self.rim.diag;
        let invitation = open.map(Invitation::from);
        match &invitation {
            Some(invitation) if said.invitation.as_ref() == Some(invitation) => {}
            Some(code) if !code.takes_callback() => {
                diag.always(format_args!("to sign in, {code}"));
            }
            Some(browser) => diag.always(format_args!(
                "another bridge is signing in; do that in its browser tab, or here: {}",
                browser.address.0
            )),
            None if said.waiting => {}
            None => diag.note("another bridge is signing in; waiting for that to be finished"),
        }
        said.waiting = true;
        if invitation.is_some() {
            said.invitation.clone_from(&invitation);
        }
        self.publish(invitation.map_or(Standing::Preparing, Standing::Elsewhere));
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
        let browser_opened = self.show(attempt, resumed);
        // Not before: a successor does not open what the note says to be open.
        self.note_attempt(&Open::Browser(Box::new(attempt.clone())));
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
            _ if resumed => rim.diag.always(format_args!(
                "finish the sign-in in the browser tab that is open already, or here: {address}"
            )),
            Some(Ok(())) => rim.diag.always(format_args!(
                "opening the browser to sign in; if none appears, open this address: {address}"
            )),
            None | Some(Err(_)) => rim
                .diag
                .always(format_args!("open this address to sign in: {address}")),
        }
        if self.is_own_client(&attempt.client_id) {
            rim.diag.note(format_args!(
                "the browser returns to `{}`, which has to be registered with the client `{}`",
                attempt.redirect_uri,
                clean(&attempt.client_id)
            ));
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

    /// Whether the user obtained this client, or named the document that describes it.
    fn is_own_client(&self, client_id: &str) -> bool {
        let settings = &self.rim.settings;
        let document = settings.document.as_ref().map(|own| own.url.as_str());
        let client = settings.client.as_ref().map(|own| own.client_id.as_str());
        [client, document].contains(&Some(client_id))
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

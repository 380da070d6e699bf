//! Asks for codes and shows them (RFC 8628), and leaves what is open to others.

use super::asking::told;
use super::{Hands, pause, remaining};
use crate::net::token_endpoint;
use crate::oauth::device::{DeviceAttempt, DeviceRequest};
use crate::oauth::flow::{Event, Show};
use crate::oauth::invitation::{Invitation, Open, Standing};

impl Hands {
    pub(super) async fn request_code(&self, request: &DeviceRequest, after: u64) -> Event {
        pause(after).await;
        told(token_endpoint::request_code(&self.rim.http, request).await)
    }

    pub(super) fn show_code(&mut self, attempt: Box<DeviceAttempt>, how: Show) -> Event {
        let invitation = Invitation::from(&*attempt);
        let (lapses_at, interval) = (attempt.lapses_at(), attempt.interval);
        self.note_attempt(&Open::Device(attempt));
        let diag = &self.rim.diag;
        match how {
            Show::New => diag.always(format_args!("to sign in, {invitation}")),
            Show::Again => diag.always(format_args!(
                "finish the sign-in with the code that was shown before, or here: {invitation}"
            )),
            Show::Slower => diag.debug(format_args!(
                "the authorization server wants to be asked every {} s only",
                interval
            )),
        }
        if how != Show::Slower {
            let left = remaining(lapses_at).as_secs_f64().ceil();
            diag.note(format_args!(
                "waiting for the code to be confirmed, at most {left} s"
            ));
        }
        self.publish(Standing::Open(invitation));
        Event::CodeShown
    }

    /// Leaves an attempt to whoever takes over if this process dies.
    pub(super) fn note_attempt(&self, open: &Open) {
        if let Some(turn) = &self.turn
            && let Err(error) = self.rim.store.write_attempt(turn, open)
        {
            self.rim.diag.debug(format_args!(
                "the open sign-in cannot be noted, so no other process can finish it: {error}"
            ));
        }
    }
}

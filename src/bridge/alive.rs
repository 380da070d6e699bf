//! Notices that connections may be dead although nothing was said, and tells who has to know.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::Wire;
use crate::net::connections::Connections;
use crate::net::pulse::{BEAT, Disturbance, News, Told};
use crate::seldom::Seldom;

/// Tells when the connections were renewed.
pub(super) struct Renewals(watch::Receiver<Option<Disturbance>>);

impl Renewals {
    /// Tells of renewals from now on.
    pub(super) fn of(connections: &Connections) -> Self {
        Self(connections.renewals())
    }

    /// Waits for the next one. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Disturbance {
        while self.0.changed().await.is_ok() {
            if let Some(why) = *self.0.borrow_and_update() {
                return why;
            }
        }
        // Nobody can renew them any more.
        std::future::pending().await
    }
}

/// Looks after the connections while the bridge runs.
pub(super) struct Pulse {
    wire: Arc<Wire>,
    news: Seldom<News, Told>,
    /// Whether the system tells everything.
    news_are_complete: bool,
    /// Only where the system does not tell everything.
    beats: Interval,
    /// No beats come at the moment.
    resting: bool,
    renewals: Seldom<Renewals, Disturbance>,
}

impl Pulse {
    pub(super) fn new(wire: Arc<Wire>) -> Self {
        let mut beats = interval(BEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let renewals = Renewals::of(wire.remote.connections());
        let news = News::listen();
        Self {
            wire,
            news_are_complete: news.are_complete(),
            news: Seldom::new(news, |mut news| {
                Box::pin(async move {
                    let told = news.next().await;
                    (news, told)
                })
            }),
            beats,
            resting: true,
            renewals: Seldom::new(renewals, |mut renewals| {
                Box::pin(async move {
                    let why = renewals.next().await;
                    (renewals, why)
                })
            }),
        }
    }

    /// Waits until the connections were renewed. Dropping the future loses nothing. `is_used` says
    /// whether anything is in flight or open: if not, connections that died are noticed soon enough
    /// when something is to be sent.
    pub(super) async fn disturbed(&mut self, is_used: bool) {
        let beats = is_used && !self.news_are_complete;
        if !beats && !self.resting {
            self.resting = true;
            self.wire.remote.connections().rest();
        }
        loop {
            tokio::select! {
                told = self.news.next() => self.wire.remote.connections().look(told),
                _ = self.beats.tick(), if beats => {
                    self.resting = false;
                    self.wire.remote.connections().beat();
                }
                why = self.renewals.next() => {
                    self.wire.diag.debug(format_args!("new connections from now on: {why}"));
                    return;
                }
            }
        }
    }

    /// Whether that has happened already.
    pub(super) async fn is_disturbed(&mut self, is_used: bool) -> bool {
        tokio::select! {
            biased;
            () = self.disturbed(is_used) => true,
            () = std::future::ready(()) => false,
        }
    }
}

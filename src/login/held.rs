//! A sign-in as it stands: what is held is used, and nothing else is obtained.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, watch};

use super::owner::Command;
use super::{Login, LoginError, QUEUE};
use crate::oauth::challenge::Challenge;
use crate::oauth::flow::Goal;
use crate::oauth::token::Grant;

/// What servers asked for that was not given to them.
#[derive(Clone, Debug, Default)]
pub struct Held(Arc<Mutex<Option<Challenge>>>);

impl Held {
    /// The last thing that the server asked for.
    pub fn wanted(&self) -> Option<Challenge> {
        let wanted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        wanted.clone()
    }
}

impl Login {
    /// The same with this grant, which is used as it is: it is not refreshed, and nobody is asked.
    /// To be called within a tokio runtime.
    pub fn holding(&self, grant: Option<Grant>) -> (Self, Held) {
        let held = Held::default();
        let noted = held.clone();
        let (commands, mut received) = mpsc::channel(QUEUE);
        let (published, watched) = watch::channel(grant.clone());
        // It ends with the last clone of the login.
        tokio::spawn(async move {
            while let Some(command) = received.recv().await {
                match command {
                    // Who has gone away wants no answer.
                    Command::Silent(reply) => drop(reply.send(Ok(grant.clone()))),
                    Command::Look => {}
                    Command::Ask(goal, reply) => {
                        let wanted = match goal {
                            Goal::Challenged { challenge, .. } | Goal::StepUp { challenge, .. } => {
                                Some(challenge)
                            }
                            _ => None,
                        };
                        *noted.0.lock().unwrap_or_else(PoisonError::into_inner) = wanted;
                        drop(reply.send(Err(LoginError::NotAsked)));
                    }
                }
            }
            drop(published);
        });
        let login = Self {
            commands,
            grant: watched,
            ..self.clone()
        };
        (login, held)
    }
}

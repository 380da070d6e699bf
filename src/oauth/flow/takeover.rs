//! The part of the flow that takes over what another program keeps, before a person is asked.

use super::cached::{Decision, lock};
use super::plan::Plan;
use super::{Action, Amendment, Flow, FlowError, Goal, Move, Note, State, Way, done, fail};
use crate::oauth::sign_in::SignIn;
use crate::oauth::takeover::{Lent, Offer, TakeOver, Taken, Unfit, Verdict, Wanted};
use crate::oauth::token_endpoint::Cause;

impl Flow {
    /// Whether it is to be looked whether another program has a sign-in for this.
    pub(super) fn looks_elsewhere(&self, plan: &Plan) -> bool {
        // Whoever says `login`, or needs more scopes, wants a sign-in of their own.
        let is_first = matches!(self.goal, Goal::Challenged { .. });
        let asks = !matches!(self.settings.way, Way::Unattended(_));
        let cached = &plan.task.cached;
        let wanted = match self.settings.take_over {
            TakeOver::Never => false,
            TakeOver::First => cached.taken_over.is_none(),
            TakeOver::Only => true,
        };
        wanted && is_first && asks && !self.looked_elsewhere && cached.grant.is_none()
    }

    pub(super) fn look_elsewhere(&mut self, plan: Plan) -> Move {
        self.looked_elsewhere = true;
        (State::LookingElsewhere { plan }, Action::LookElsewhere)
    }

    /// Here is what another program has.
    pub(super) fn offered(&mut self, plan: Plan, offer: Option<Box<Offer>>, now: u64) -> Move {
        let Some(offer) = offer else {
            return self.not_taken(plan, None, now);
        };
        let verdict = offer.judge(&Wanted {
            settings: &self.settings,
            server: &plan.server,
            resource: plan.resource.as_ref(),
            resource_refused: plan.resource_refused,
            rejected: match &self.goal {
                Goal::Challenged { rejected, .. } => rejected.as_ref(),
                _ => None,
            },
            now,
        });
        match verdict {
            Verdict::Take(taken) => {
                let amendment = Amendment::PutTaken(taken.clone());
                let state = State::TakingOver { plan, taken };
                (state, Action::Amend(Box::new(amendment)))
            }
            Verdict::Borrow(_, lent) if self.settings.take_over == TakeOver::Only => {
                let unfit = match lent {
                    Lent::Shared(shared) => Unfit::Shared(shared),
                    Lent::NoClient => Unfit::NoClient,
                };
                self.not_taken(plan, Some(unfit), now)
            }
            Verdict::Borrow(grant, lent) => {
                self.note(Note::Borrowed(lent));
                done(Some(*grant))
            }
            Verdict::Leave(unfit) => self.not_taken(plan, Some(unfit), now),
        }
    }

    /// It was written down that the sign-in is ours, or could not be.
    pub(super) fn taken(
        &mut self,
        mut plan: Plan,
        taken: Taken,
        outcome: Result<SignIn, Cause>,
        now: u64,
    ) -> Move {
        let cached = match outcome {
            Ok(cached) => cached,
            // What is not recorded would be taken over again by the next process, and its refresh
            // token spent twice.
            Err(cause) => {
                self.note(Note::NotSaved(cause));
                let mut grant = taken.grant;
                grant.tokens.refresh_token = None;
                return done(Some(grant));
            }
        };
        let is_ours = cached
            .taken_over
            .as_ref()
            .is_some_and(|record| record.mark == taken.record.mark && !record.replaced);
        if is_ours {
            self.note(Note::TakenOver(taken.record.from));
        }
        // The user wanted it here. It is refreshed when somebody needs it.
        if self.settings.take_over == TakeOver::Only {
            return match cached.grant {
                Some(grant) => done(Some(grant)),
                None => self.not_taken(plan, None, now),
            };
        }
        match self.decide(&cached, now) {
            Decision::Use(grant) => done(Some(grant)),
            Decision::Refresh(grant, _) => lock(Some(grant)),
            Decision::Renew | Decision::Ask => {
                plan.task.cached = cached;
                self.approach(plan, now)
            }
        }
    }

    fn not_taken(&mut self, plan: Plan, why: Option<Unfit>, now: u64) -> Move {
        if self.settings.take_over == TakeOver::Only {
            // It concerns nobody else.
            self.has_turn = false;
            return fail(FlowError::NotTakenOver(why));
        }
        if let Some(why) = why {
            self.note(Note::NotTakenOver(why));
        }
        self.approach(plan, now)
    }
}

//! Flows in a world where anything may fail: whatever happens, they end, and the rules hold.

use super::*;
use crate::dice::Dice;

impl Dice {
    fn answer(&mut self) -> Option<Result<TokenSet, TokenError>> {
        Some(match self.roll(16) {
            0 => dead_grant(),
            1 => dead_client(),
            2 => down(Effect::Unknown),
            3 => down(Effect::None),
            4 => busy(self.roll(20)),
            5 => Err(TokenError::InvalidScope(refusal("invalid_scope"))),
            6 => Err(TokenError::InvalidTarget(refusal("invalid_target"))),
            7 => Err(TokenError::Refused(refusal("other"))),
            8 => Err(TokenError::Unusable("a page".to_owned())),
            9 => Err(TokenError::Pending(refusal("authorization_pending"))),
            10 => Err(TokenError::SlowDown(refusal("slow_down"))),
            11 => Err(TokenError::Declined(refusal("access_denied"))),
            12 => Err(TokenError::Expired(refusal("expired_token"))),
            _ => return None,
        })
    }

    fn fetched(&mut self, url: &Url, good: &str) -> Fetched {
        match self.roll(10) {
            0 => unreachable(),
            1 => Err(FetchFault::Unusable(cause("redirect"))),
            2 => reply(url, 404, ""),
            3 => reply(url, 500, ""),
            4 => reply(url, 400, r#"{"error":"invalid_redirect_uri"}"#),
            5 => reply(url, 400, r#"{"error":"invalid_client_metadata"}"#),
            _ => reply(url, 200, good),
        }
    }

    fn visit(&mut self) -> Visit {
        match self.roll(8) {
            0 => Visit::Raw("code=EVIL&state=EVIL"),
            1 => Visit::Ours("error=access_denied"),
            2 => Visit::Ours("error=invalid_scope"),
            3 => Visit::Ours("error=unauthorized_client"),
            4 => Visit::Ours("code=C&code=D"),
            5 => Visit::Ours("never"),
            _ => Visit::Ours("code=CODE_1"),
        }
    }

    fn world(&mut self) -> World {
        let mut world = match self.roll(4) {
            0 => World::new(),
            1 => World::signed_in(3600),
            2 => World::signed_in(100),
            _ => World::signed_in(-100),
        };
        let issuer = Url::parse(ISSUER).unwrap();
        for place in [PRM, ASM] {
            let body = world.pages[place].as_ref().unwrap().body.clone();
            let body = String::from_utf8(body).unwrap();
            let fetched = self.fetched(&Url::parse(place).unwrap(), &body);
            world.pages.insert(place.to_owned(), fetched);
        }
        for _ in 0..4 {
            world.answers.extend(self.answer());
            world.visits.push_back(self.visit());
            let registered = self.fetched(&issuer, r#"{"client_id":"C"}"#);
            world.registrations.push_back(registered);
        }
        world.page = self.fetched(&issuer, "<html>");
        if self.roll(3) == 0 {
            world.settings.way = Way::Device;
            for count in 1..4 {
                let issued = self.fetched(&issuer, &device_code(count, ""));
                world.codes.push_back(issued);
            }
        }
        world.lock_fails = self.roll(8) == 0;
        world.turn_fails = self.roll(8) == 0;
        world.writes_fail = self.roll(8) == 0;
        if self.roll(4) == 0 {
            world.sibling_refreshes = Some(siblings("SIBLINGS"));
        }
        if self.roll(4) == 0 {
            world.siblings_sign_in.push_back(siblings("SIBLINGS"));
        }
        if self.roll(4) == 0 {
            world.taken.push(4711);
        }
        world
    }

    fn goal(&mut self) -> Goal {
        let challenge = Challenge {
            scope: [None, Some(scopes("read")), Some(scopes("admin"))][self.roll(3) as usize]
                .clone(),
            ..Challenge::default()
        };
        match self.roll(6) {
            0 => Goal::Silent,
            5 => Goal::Renew {
                held: secret("OLD_ACCESS"),
            },
            1 => Goal::SignIn {
                since: NOW,
                challenge,
            },
            2 => Goal::StepUp {
                used: secret("OLD_ACCESS"),
                challenge,
            },
            3 => Goal::Challenged {
                rejected: None,
                challenge,
            },
            _ => Goal::Challenged {
                rejected: Some(secret("OLD_ACCESS")),
                challenge,
            },
        }
    }
}

#[test]
fn every_flow_ends_and_keeps_the_rules() {
    let mut dice = Dice(1);
    let (mut done, mut failed, mut shown) = (0, 0, 0);
    for _ in 0..20_000 {
        let (world, goal) = (dice.world(), dice.goal());
        let silent = matches!(goal, Goal::Silent | Goal::Renew { .. });
        // `World::perform` watches locks, turns and what is saved before it is used.
        let end = world.run(goal);
        if silent {
            assert_eq!((end.did("browser"), end.did("turn")), (0, 0));
        }
        assert!(end.did("browser") <= 3, "{:?}", end.log());
        assert!(end.did("show") <= 6, "{:?}", end.log());
        shown += end.did("show");
        let unexpected = matches!(end.result, Err(FlowError::Unexpected { .. }));
        assert!(!unexpected, "{:?}", end.log());
        match end.result {
            Ok(_) => done += 1,
            Err(_) => failed += 1,
        }
    }
    assert!(done > 1000 && failed > 1000, "{done} {failed}");
    assert!(shown > 100, "{shown}");
}

//! What a server said of itself the last time is told to the host of the next start.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use playground::{Fault, Then};
use serde_json::{Value, json};

use super::{BY_HAND, Scene, approve, close, lists_changed, works};
use crate::support::bridge::Bridge;
use crate::support::machine::Browser;

impl Scene {
    /// A machine that was signed in once. Gives what the server said of itself then.
    #[track_caller]
    fn signed_in() -> (Self, Value) {
        let mut scene = Self::new();
        scene.machine.browser = Browser::Approves;
        let result = scene.visit(&[], |_| true);
        scene.machine.browser = Browser::Waits;
        (scene, result)
    }

    /// One start, with a person who consents, until such a thing is known of the server. Gives the
    /// result of `initialize`.
    #[track_caller]
    fn visit(&self, arguments: &[&str], known: impl Fn(&Value) -> bool) -> Value {
        let mut bridge = self.start(arguments);
        let result = bridge.initialize("2025-11-25", json!({}));
        if !arguments.is_empty() {
            approve(&bridge.stderr_address());
        }
        works(&mut bridge);
        self.record_that(known);
        let ended = bridge.close();
        assert!(ended.status.success(), "{}", ended.stderr);
        result
    }

    /// The grant has ended, at both ends.
    fn end_grant(&self) {
        self.playground.expire_access_tokens();
        self.playground.revoke_grants();
        self.machine.edit_cached(|cached| {
            cached["expires_at"] = json!(1_600_000_000);
            cached.as_object_mut().unwrap().remove("refresh_token");
        });
    }

    fn record_file(&self) -> PathBuf {
        let [token_file] = &self.machine.cached()[..] else {
            panic!("one sign-in is cached, not {:?}", self.machine.cached());
        };
        let name = token_file.to_string_lossy();
        PathBuf::from(name.replace(".token.json", ".server.json"))
    }

    /// What is known of the server, as soon as it is written.
    #[track_caller]
    fn record(&self) -> Value {
        self.record_that(|_| true)
    }

    #[track_caller]
    fn record_that(&self, fits: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            let bytes = fs::read(self.record_file()).unwrap_or_default();
            if let Ok(record) = serde_json::from_slice(&bytes)
                && fits(&record)
            {
                return record;
            }
            assert!(Instant::now() < end, "{}", String::from_utf8_lossy(&bytes));
            thread::yield_now();
        }
    }
}

/// Opens a session as a person who has to sign in. The host was told `expected` before.
#[track_caller]
fn told(scene: &Scene, expected: &Value) -> Bridge {
    let mut bridge = scene.start(&BY_HAND);
    let result = bridge.initialize("2025-11-25", json!({}));
    assert_eq!(&result, expected);
    let list = bridge.request("tools/list", json!({}));
    approve(&bridge.stderr_address());
    lists_changed(&mut bridge);
    super::are_real(&bridge.answer(list));
    works(&mut bridge);
    bridge
}

#[test]
fn the_server_is_told_as_it_was_and_not_written_again_unless_it_changed() {
    let (scene, result) = Scene::signed_in();
    assert_eq!(result["serverInfo"]["name"], "playground");
    scene.end_grant();
    // Spelled otherwise; it says the same.
    let record = scene.record();
    fs::write(scene.record_file(), record.to_string()).unwrap();
    close(told(&scene, &result));
    let text = fs::read_to_string(scene.record_file()).unwrap();
    assert_eq!(text, record.to_string());

    // The host is told what the server was, and the next one what it has become.
    scene
        .playground
        .change(|settings| settings.instructions = Some("All is new.".into()));
    scene.end_grant();
    let bridge = told(&scene, &result);
    scene.record_that(|record| record["instructions"] == "All is new.");
    close(bridge);
    scene.end_grant();
    let mut renewed = result;
    renewed["instructions"] = json!("All is new.");
    close(told(&scene, &renewed));
}

#[test]
fn whatever_stands_in_the_file_does_no_harm() {
    let (scene, result) = Scene::signed_in();
    let good = scene.record();
    // What would be told if the file were believed.
    let like = |change: &dyn Fn(&mut Value)| {
        let mut record = good.clone();
        record["server_info"] = json!({ "name": "from the file", "version": "1" });
        change(&mut record);
        record.to_string()
    };
    let newer = like(&|record| record["version"] = json!(99));
    for garbage in [
        String::new(),
        "{".to_owned(),
        "\u{0}\u{1}".to_owned(),
        "[".repeat(100_000),
        like(&|record| record["instructions"] = "x".repeat(3_000_000).into()),
        like(&|record| record["capabilities"] = json!([])),
        like(&|record| record["server"] = json!("https://mcp.example.com/mcp")),
        newer.clone(),
    ] {
        fs::write(scene.record_file(), &garbage).unwrap();
        scene.end_grant();
        // What a later version wrote is left alone. When things were found out is of no matter.
        let dateless = |record: &Value| {
            let mut record = record.clone();
            record["transport"]["found_at"].take();
            record["era"]["found_at"].take();
            record
        };
        let after = |record: &Value| dateless(record) == dateless(&good) || garbage == newer;
        let told = scene.visit(&BY_HAND, after);
        assert_ne!(told["serverInfo"]["name"], "from the file", "{garbage:.80}");
    }
    assert_eq!(fs::read_to_string(scene.record_file()).unwrap(), newer);

    fs::remove_file(scene.record_file()).unwrap();
    fs::create_dir(scene.record_file()).unwrap();
    let mut bridge = scene.start(&[]);
    assert_eq!(bridge.initialize("2025-11-25", json!({})), result);
    works(&mut bridge);
    close(bridge);
}

#[test]
fn a_capability_that_the_server_did_not_announce_is_added_for_the_sign_in() {
    let (scene, result) = Scene::signed_in();
    let mut record = scene.record();
    record["capabilities"] = json!({ "resources": {}, "completions": {} });
    fs::write(scene.record_file(), record.to_string()).unwrap();
    scene.end_grant();
    let mut bridge = scene.start(&BY_HAND);
    let promised = bridge.initialize("2025-11-25", json!({}));
    assert_eq!(
        promised["capabilities"],
        json!({
            "tools": { "listChanged": true },
            "resources": { "listChanged": true },
            "completions": {},
        })
    );
    assert_eq!(promised["serverInfo"], result["serverInfo"]);
    approve(&bridge.stderr_address());
    bridge.incoming("notifications/tools/list_changed");
    bridge.incoming("notifications/resources/list_changed");
    works(&mut bridge);
    close(bridge);
}

#[test]
fn logout_forgets_the_server_too() {
    let (scene, _) = Scene::signed_in();
    scene.record();
    let file = scene.record_file();
    let mut command = scene.machine.command();
    command.args(["logout", &scene.playground.mcp_url()]);
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success());
    assert!(!file.exists());
}

#[test]
fn a_server_that_lists_other_things_than_it_promised_gives_empty_lists() {
    let scene = Scene::new();
    let without = Then::edit(|body| {
        body["result"]["capabilities"] = json!({ "tools": {} });
    });
    let initialize = Fault::mcp().rpc("initialize");
    scene.playground.fault(initialize.then(without));
    let mut bridge = scene.promised(&BY_HAND);
    approve(&bridge.stderr_address());
    lists_changed(&mut bridge);
    for (method, member) in [("prompts/list", "prompts"), ("resources/list", "resources")] {
        let answer = bridge.call(method, json!({}));
        assert_eq!(answer["result"], json!({ member: [] }), "{answer}");
    }
    works(&mut bridge);
    close(bridge);
}

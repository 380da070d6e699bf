//! A host that leaves before the person is done, and starts again: the tab that is open already
//! still finishes the sign-in.

use std::thread;

use serde_json::{Value, json};

use super::{BY_HAND, Scene, address_in, approve, are_real, close, lists_changed, sign_in, works};
use crate::support::bridge::Bridge;
use crate::support::scene::detail;

/// The first process is gone, or going. Another takes over its sign-in and finishes it with the tab
/// that is open.
#[track_caller]
fn taken_over(scene: &Scene, tab: &str) -> Bridge {
    let mut second = scene.promised(&[]);
    assert_eq!(second.stderr_address(), tab);
    let (text, _) = sign_in(&mut second, json!({}));
    assert_eq!(address_in(&text), tab);
    approve(tab);
    lists_changed(&mut second);
    works(&mut second);
    scene.one_sign_in();
    scene.opened(1);
    second
}

#[test]
fn after_a_host_that_closed_stdin_the_tab_is_still_good() {
    let scene = Scene::new();
    let mut first = scene.promised(&[]);
    let tab = first.stderr_address();
    scene.wait_for_browsers(1);
    let list = first.request("tools/list", json!({}));
    let call = first.request("tools/call", json!({ "name": "whoami" }));
    first.leave();
    // The next one starts while the first still takes its leave.
    let first = thread::spawn(move || first.wait());
    let second = taken_over(&scene, &tab);
    let ended = first.join().unwrap();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    let ids: Vec<&Value> = ended.rest.iter().map(|answer| &answer["id"]).collect();
    assert_eq!(ids, [&json!(list), &json!(call)], "{:?}", ended.rest);
    for answer in &ended.rest {
        assert_eq!(address_in(detail(answer)), tab);
    }
    close(second);
}

#[cfg(unix)]
#[test]
fn after_a_host_that_ended_it_by_signal_the_tab_is_still_good() {
    let scene = Scene::new();
    let first = scene.promised(&[]);
    let tab = first.stderr_address();
    scene.wait_for_browsers(1);
    first.signal("TERM");
    let second = taken_over(&scene, &tab);
    let ended = first.wait();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    close(second);
}

#[test]
fn after_a_host_that_killed_it_the_tab_is_still_good() {
    let scene = Scene::new();
    let first = scene.promised(&[]);
    let tab = first.stderr_address();
    scene.wait_for_browsers(1);
    // Killed, and with nothing tidied up.
    drop(first);
    close(taken_over(&scene, &tab));
}

#[test]
fn a_host_that_never_stays_finds_the_same_sign_in_each_time() {
    let scene = Scene::new();
    let mut tab = None;
    for _ in 0..4 {
        let bridge = scene.promised(&[]);
        let address = bridge.stderr_address();
        assert_eq!(tab.get_or_insert(address.clone()), &address);
        scene.wait_for_browsers(1);
        close(bridge);
    }
    close(taken_over(&scene, &tab.unwrap()));
}

#[test]
fn the_tab_of_a_process_that_lives_serves_those_that_came_later() {
    let scene = Scene::new();
    let mut bridges = vec![scene.promised(&[])];
    let tab = bridges[0].stderr_address();
    scene.wait_for_browsers(1);
    for arguments in [&[][..], &BY_HAND] {
        bridges.push(scene.promised(arguments));
    }
    let lists: Vec<u64> = bridges
        .iter_mut()
        .map(|bridge| bridge.request("tools/list", json!({})))
        .collect();
    for bridge in &mut bridges {
        let (text, _) = sign_in(bridge, json!({}));
        assert_eq!(address_in(&text), tab);
    }
    approve(&tab);
    for (mut bridge, list) in bridges.into_iter().zip(lists) {
        lists_changed(&mut bridge);
        are_real(&bridge.answer(list));
        works(&mut bridge);
        close(bridge);
    }
    scene.one_sign_in();
    scene.opened(1);
}

#[test]
fn a_sibling_goes_on_with_the_tab_of_a_host_that_leaves() {
    let scene = Scene::new();
    let first = scene.promised(&[]);
    let tab = first.stderr_address();
    scene.wait_for_browsers(1);
    let mut second = scene.promised(&[]);
    let list = second.request("tools/list", json!({}));
    close(first);
    // Whether it has taken over yet does not matter to a person who comes back a little later.
    assert_eq!(second.stderr_address(), tab);
    approve(&tab);
    lists_changed(&mut second);
    are_real(&second.answer(list));
    scene.one_sign_in();
    scene.opened(1);
    close(second);
}

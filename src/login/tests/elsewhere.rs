//! Signing in with a browser that is not on this machine, or that somebody else has opened.

use super::*;
use crate::net::callback::CallbackError;

#[tokio::test]
async fn who_waits_for_another_process_is_told_its_address_once() {
    let scene = Scene::new();
    let first = scene.process_with(&["--no-browser"]);
    let one = tokio::spawn(challenged(first.login.clone(), None));
    let address = open_address(&first).await;
    let second = scene.process();
    let other = tokio::spawn(challenged(second.login.clone(), None));
    assert_eq!(open_address(&second).await, address);
    let line =
        format!("another bridge is signing in; do that in its browser tab, or here: {address}");
    printed(&second.stderr, &line).await;
    assert_eq!(visit(address.clone(), Manner::Approve).await, 200);
    one.await.unwrap().unwrap();
    other.await.unwrap().unwrap();
    assert_eq!(second.stderr.text().matches(&address).count(), 1);
}

#[tokio::test]
async fn without_a_listener_a_pasted_address_finishes_the_sign_in() {
    let scene = Scene::new();
    for arguments in [&[][..], &["4000"]] {
        let process = scene.process_on(arguments, |machine| {
            machine.listen = Arc::new(|_| {
                Err(CallbackError::Listen(
                    std::io::ErrorKind::PermissionDenied.into(),
                ))
            });
        });
        let login = process.login.clone();
        let signing_in = tokio::spawn(async move { login.sign_in(Challenge::default()).await });
        let end = ends_on(open_address(&process).await).await;
        let port = arguments.first().unwrap_or(&"3334");
        let redirect_uri = format!("http://localhost:{port}/oauth/callback?");
        assert!(end.starts_with(&redirect_uri), "{end}");
        assert_eq!(process.login.bring(&end).await, Ok(()));
        signing_in.await.unwrap().unwrap();
        let stderr = process.stderr.text();
        assert!(
            stderr.contains("warning: cannot listen for the browser: permission denied; so "),
            "{stderr}"
        );
        process.close().await;
    }
}

#[tokio::test]
async fn where_nobody_is_signed_in_it_is_looked_once_a_while_and_a_sign_in_elsewhere_is_found() {
    let scene = Scene::new();
    let (mut told, mut asking) = (scene.process(), scene.process());
    tokio::time::pause();
    assert_eq!(told.login.at_hand(), None);
    for process in [&told, &asking] {
        assert_eq!(process.bearer().await.unwrap(), None);
        assert_eq!(process.login.at_hand(), Some(None));
    }
    tokio::time::resume();
    let token = scene.signed_in(3600).await;
    // The server says that it wants a token, and nobody waits for the next look.
    assert_eq!(told.challenged(None).await.unwrap(), token);
    let at_hand = told.login.at_hand().flatten();
    assert_eq!(
        at_hand.map(|credential| credential.token),
        Some(token.clone())
    );
    // This one's server says nothing.
    tokio::time::pause();
    tokio::time::advance(CACHE_POLL).await;
    tokio::time::resume();
    assert_eq!(asking.login.at_hand(), None);
    assert_eq!(asking.bearer().await.unwrap(), Some(token));
    assert_eq!((told.unseen(), asking.unseen()), (0, 0));
}

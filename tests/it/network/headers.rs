//! The headers that every request has, whatever the user adds.

use playground::Settings;

use crate::support::scene::{NEWEST, Scene, everything, is_delete, is_get};

#[test]
fn headers_of_ours_and_of_the_user_stand_beside_one_another() {
    let arguments = [
        "--header",
        "Authorization: Bearer TOKEN_1",
        "--header",
        "X-Team: a",
        "--header",
        "User-Agent: custom/1",
    ];
    let mut scene = Scene::opened(Settings::open(), NEWEST, everything(), &arguments);
    scene.goes_on();
    let (_, playground) = scene.close();
    let requests = playground.requests();
    let mut kinds = [0; 3];
    for request in &requests {
        let line = request.line();
        assert_eq!(
            request.header("authorization"),
            Some("Bearer TOKEN_1"),
            "{line}"
        );
        assert_eq!(request.header("x-team"), Some("a"), "{line}");
        assert_eq!(request.header("user-agent"), Some("custom/1"), "{line}");
        assert_eq!(request.header("origin"), None, "{line}");
        let (accept, content_type) = match request {
            _ if is_get(request) => (Some("text/event-stream"), None),
            _ if is_delete(request) => (None, None),
            _ => (
                Some("application/json, text/event-stream"),
                Some("application/json"),
            ),
        };
        kinds[usize::from(is_get(request)) + 2 * usize::from(is_delete(request))] += 1;
        if let Some(accept) = accept {
            assert_eq!(request.header("accept"), Some(accept), "{line}");
        }
        assert_eq!(request.header("content-type"), content_type, "{line}");
        let (asks, opens) = (
            request.calls("server/discover"),
            request.calls("initialize"),
        );
        let has_session = request.header("mcp-session-id").is_some();
        assert_eq!(has_session, !asks && !opens, "{line}");
        let names_revision = request.header("mcp-protocol-version").is_some();
        assert_eq!(names_revision, !opens, "{line}");
    }
    assert!(kinds.iter().all(|count| *count > 0), "{kinds:?}");
}

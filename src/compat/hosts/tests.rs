use super::*;

fn path(host: &str, at: usize, system: System, variables: &[(&str, &str)]) -> Option<String> {
    let variable = |name: &str| {
        let mut pairs = variables.iter();
        pairs
            .find(|(key, _)| *key == name)
            .map(|(_, value)| (*value).to_owned())
    };
    let (home, config, local) = match system {
        System::Mac => (
            "/Users/me",
            "/Users/me/Library/Application Support",
            "/Users/me/Library/Application Support",
        ),
        System::Linux => ("/home/me", "/home/me/.config", "/home/me/.local/share"),
        System::Windows => (
            "C:/Users/me",
            "C:/Users/me/AppData/Roaming",
            "C:/Users/me/AppData/Local",
        ),
    };
    let folders = Folders {
        system,
        home: Some(home.into()),
        config: Some(config.into()),
        local: Some(local.into()),
        project: Some("/home/me/project".into()),
        variable: &variable,
    };
    let place = &Host::find(host).expect("a host").places[at];
    let path = place.path(&folders)?;
    Some(path.to_string_lossy().replace('\\', "/"))
}

#[test]
fn files_are_where_each_system_has_them() {
    use System::{Linux, Mac, Windows};
    for (host, at, system, expected) in [
        (
            "claude-desktop",
            0,
            Mac,
            Some("/Users/me/Library/Application Support/Claude/claude_desktop_config.json"),
        ),
        (
            "claude-desktop",
            0,
            Linux,
            Some("/home/me/.config/Claude/claude_desktop_config.json"),
        ),
        (
            "claude-desktop",
            0,
            Windows,
            Some("C:/Users/me/AppData/Roaming/Claude/claude_desktop_config.json"),
        ),
        (
            "claude-desktop",
            1,
            Windows,
            Some(
                "C:/Users/me/AppData/Local/Packages/Claude_*/LocalCache/Roaming/Claude/claude_desktop_config.json",
            ),
        ),
        ("claude-desktop", 1, Linux, None),
        ("claude-code", 0, Windows, Some("C:/Users/me/.claude.json")),
        ("claude-code", 1, Linux, Some("/home/me/project/.mcp.json")),
        ("cursor", 0, Windows, Some("C:/Users/me/.cursor/mcp.json")),
        (
            "vscode",
            0,
            Mac,
            Some("/Users/me/Library/Application Support/Code/User/mcp.json"),
        ),
        (
            "vscode",
            0,
            Windows,
            Some("C:/Users/me/AppData/Roaming/Code/User/mcp.json"),
        ),
        (
            "vscode",
            5,
            Linux,
            Some("/home/me/project/.vscode/mcp.json"),
        ),
        ("zed", 0, Mac, Some("/Users/me/.config/zed/settings.json")),
        ("zed", 0, Windows, None),
        (
            "zed",
            1,
            Windows,
            Some("C:/Users/me/AppData/Roaming/Zed/settings.json"),
        ),
        (
            "zed",
            2,
            Mac,
            Some("/Users/me/Library/Application Support/Zed/settings.json"),
        ),
        (
            "goose",
            0,
            Linux,
            Some("/home/me/.config/goose/config.yaml"),
        ),
        (
            "goose",
            1,
            Windows,
            Some("C:/Users/me/AppData/Roaming/Block/goose/config/config.yaml"),
        ),
        ("codex", 0, Linux, Some("/home/me/.codex/config.toml")),
        (
            "opencode",
            0,
            Mac,
            Some("/Users/me/.config/opencode/opencode.json"),
        ),
        ("amp", 0, Linux, Some("/home/me/.config/amp/settings.json")),
    ] {
        assert_eq!(
            path(host, at, system, &[]).as_deref(),
            expected,
            "{host} {system:?}"
        );
    }
}

#[test]
fn variables_move_folders_if_they_are_absolute() {
    for (host, name, value, expected) in [
        (
            "codex",
            "CODEX_HOME",
            "/etc/codex",
            "/etc/codex/config.toml",
        ),
        ("codex", "CODEX_HOME", "", "/home/me/.codex/config.toml"),
        (
            "codex",
            "CODEX_HOME",
            "codex",
            "/home/me/.codex/config.toml",
        ),
        ("goose", "XDG_CONFIG_HOME", "/c", "/c/goose/config.yaml"),
    ] {
        let found = path(host, 0, System::Linux, &[(name, value)]);
        assert_eq!(found.as_deref(), Some(expected));
    }
}

#[test]
fn hosts_are_found_as_people_call_them() {
    for (name, host) in [
        ("cursor", Some("cursor")),
        ("Claude Desktop", Some("claude-desktop")),
        ("claude", Some("claude-desktop")),
        ("VSCode", Some("vscode")),
        ("vs code", Some("vscode")),
        ("Roo", Some("roo-code")),
        ("LMStudio", Some("lm-studio")),
        ("", None),
        ("-", None),
        ("emacs", None),
    ] {
        assert_eq!(Host::find(name).map(|host| host.name), host, "{name}");
    }
}

#[test]
fn the_table_is_sound() {
    let mut names = std::collections::BTreeSet::new();
    for host in HOSTS {
        for name in host.aliases.iter().chain([&host.name]) {
            assert!(names.insert(*name), "{name} is taken");
            assert_eq!(Host::find(name).map(|found| found.name), Some(host.name));
        }
        for place in host.places {
            assert!(
                !place.servers.is_empty() && !place.on.is_empty(),
                "{}",
                host.name
            );
            assert!(
                !place.path.starts_with('/') && !place.path.contains(".."),
                "{}",
                place.path
            );
            let parts = place.path.split('/');
            assert!(
                parts.into_iter().all(|part| part.matches('*').count() <= 1),
                "{}",
                place.path
            );
            // An entry goes into a place that every way to it is plain.
            assert!(!place.servers[0].contains(&"*"), "{}", host.name);
        }
    }
    assert!(HOSTS.len() >= 30);
}

#[test]
fn patterns_fit_what_begins_and_ends_so() {
    for (pattern, name, fitting) in [
        ("a.json", "a.json", true),
        ("a.json", "b.json", false),
        ("*.json", "x.json", true),
        ("*.json", ".json", true),
        ("*.json", "x.json.bak", false),
        ("Claude_*", "Claude_pzs8", true),
        ("Claude_*", "Claude", false),
        ("ab*ba", "aba", false),
    ] {
        assert_eq!(fits(pattern, name), fitting, "{pattern} {name}");
    }
}

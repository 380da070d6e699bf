//! Surroundings as they are met, and what is made of them.

use super::*;

/// A machine, as far as it shows.
#[derive(Clone, Copy, Default)]
struct Machine<'a> {
    variables: &'a [(&'a str, &'a str)],
    files: &'a [(&'a str, &'a str)],
    /// Variables of the processes above.
    above: &'a [&'a str],
    desktop: bool,
    needs_no_display: bool,
}

impl Machine<'_> {
    fn look(&self) -> Surroundings {
        let find = |list: &[(&str, &str)], name: &str| {
            let found = list.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Senses {
            variable: &|name| find(self.variables, name),
            exists: &|path| find(self.files, path).is_some(),
            read: &|path| find(self.files, path),
            above: &|names| self.above.iter().any(|name| names.contains(name)),
            session: &|| match self.desktop {
                true => vec![("DISPLAY", ":7".into())],
                false => Variables::new(),
            },
            needs_display: !self.needs_no_display,
        }
        .surroundings()
    }

    /// The place, if nobody sees a browser here.
    fn place(&self) -> Option<Place> {
        let around = self.look();
        (!around.seen).then_some(around.place)
    }
}

fn with_variables<'a>(variables: &'a [(&'a str, &'a str)]) -> Machine<'a> {
    Machine {
        variables,
        ..Machine::default()
    }
}

const MICROSOFT: (&str, &str) = (
    "/proc/sys/kernel/osrelease",
    "5.15.167.4-microsoft-standard-WSL2\n",
);
const INTEROP: (&str, &str) = (
    "/proc/sys/fs/binfmt_misc/WSLInterop",
    "enabled\ninterpreter /init\nflags: PF\noffset 0\nmagic 4d5a\n",
);

#[test]
fn ssh_is_told_by_its_variables_also_those_that_the_client_hides() {
    for variable in SSH {
        let variables = [(variable, "x")];
        let here = with_variables(&variables);
        assert_eq!(here.place(), Some(Place::Ssh), "{variable}");
        let hidden = Machine {
            above: &[variable],
            // Somebody is logged in at the far machine's screen, where the user does not sit.
            desktop: true,
            ..Machine::default()
        };
        assert_eq!(hidden.place(), Some(Place::Ssh), "{variable}");
        let mac = Machine {
            needs_no_display: true,
            ..here
        };
        assert_eq!(mac.place(), Some(Place::Ssh), "{variable}");
    }
    let forwarded = [("SSH_TTY", "/dev/pts/1"), ("DISPLAY", "localhost:10.0")];
    assert_eq!(with_variables(&forwarded).place(), None);
    assert_eq!(
        with_variables(&[("SSH_TTY", "")]).place(),
        Some(Place::NoDisplay)
    );
}

#[test]
fn containers_are_told_by_what_their_managers_leave() {
    for file in [
        ("/.dockerenv", ""),
        ("/run/.containerenv", "engine=\"podman-5.0\"\n"),
        ("/run/systemd/container", "systemd-nspawn\n"),
        ("/run/host/container-manager", "lxc"),
        ("/proc/1/environ", "PATH=/bin\0container=lxc\0"),
    ] {
        let files = [file];
        let here = Machine {
            files: &files,
            ..Machine::default()
        };
        assert_eq!(here.place(), Some(Place::Container), "{file:?}");
        let lent = Machine {
            variables: &[("WAYLAND_DISPLAY", "wayland-0")],
            ..here
        };
        assert_eq!(lent.place(), None, "{file:?}");
        let over_ssh = Machine {
            variables: &[("SSH_CONNECTION", "a 1 b 22")],
            ..here
        };
        assert_eq!(over_ssh.place(), Some(Place::Ssh), "{file:?}");
    }
    let variables = [("container", "podman")];
    assert_eq!(with_variables(&variables).place(), Some(Place::Container));
    for file in [
        ("/run/systemd/container", "wsl\n"),
        ("/proc/1/environ", "PATH=/bin\0xcontainer=lxc\0"),
    ] {
        let machine = Machine {
            files: &[file],
            ..Machine::default()
        };
        assert_eq!(machine.place(), Some(Place::NoDisplay), "{file:?}");
    }
}

#[test]
fn pods_are_named_so_that_kubectl_finds_them() {
    let account = [
        (SERVICE_ACCOUNT, ""),
        (
            "/var/run/secrets/kubernetes.io/serviceaccount/namespace",
            "agents",
        ),
        ("/etc/hostname", "worker-7d9f\n"),
    ];
    let named = Machine {
        files: &account,
        ..Machine::default()
    };
    let pod = |namespace: Option<&str>, name: Option<&str>| Place::Pod {
        namespace: namespace.map(str::to_owned),
        name: name.map(str::to_owned),
    };
    assert_eq!(
        named.place(),
        Some(pod(Some("agents"), Some("worker-7d9f")))
    );
    for name in ["$(reboot)\n", "-n\n", "a b\n", "\n"] {
        let odd = Machine {
            variables: &[("KUBERNETES_SERVICE_HOST", "10.0.0.1")],
            files: &[("/etc/hostname", name)],
            ..Machine::default()
        };
        assert_eq!(odd.place(), Some(pod(None, None)), "{name:?}");
    }
}

#[test]
fn vs_code_and_codespaces_come_before_what_they_run_on() {
    let docker = [("/.dockerenv", "")];
    for (variables, place) in [
        (&[("REMOTE_CONTAINERS", "true")][..], Some(Place::VsCode)),
        (
            &[("VSCODE_IPC_HOOK_CLI", "/tmp/v.sock"), ("SSH_TTY", "x")],
            Some(Place::VsCode),
        ),
        (
            &[
                ("CODESPACES", "true"),
                ("CODESPACE_NAME", "fuzzy-tribble-9x"),
            ],
            Some(Place::Codespace {
                name: Some("fuzzy-tribble-9x".to_owned()),
            }),
        ),
        (
            &[("CODESPACES", "true"), ("CODESPACE_NAME", "a b; c")],
            Some(Place::Codespace { name: None }),
        ),
        // code-server
        (
            &[
                ("VSCODE_IPC_HOOK_CLI", "/tmp/v.sock"),
                ("VSCODE_PROXY_URI", "x"),
            ],
            Some(Place::Container),
        ),
    ] {
        let machine = Machine {
            variables,
            files: &docker,
            ..Machine::default()
        };
        assert_eq!(machine.place(), place, "{variables:?}");
    }
}

#[test]
fn windows_shows_the_browser_of_wsl_as_long_as_it_can_be_started() {
    let wsl = Machine {
        files: &[MICROSOFT, INTEROP, ("/run/systemd/container", "wsl\n")],
        ..Machine::default()
    };
    assert_eq!(wsl.place(), None);
    let late = Machine {
        files: &[
            MICROSOFT,
            ("/proc/sys/fs/binfmt_misc/WSLInterop-late", "enabled\n"),
        ],
        ..Machine::default()
    };
    assert_eq!(late.place(), None);
    let disabled = ("/proc/sys/fs/binfmt_misc/WSLInterop", "disabled\n");
    for files in [&[MICROSOFT][..], &[MICROSOFT, disabled]] {
        let off = Machine {
            files,
            ..Machine::default()
        };
        assert_eq!(off.place(), Some(Place::Wsl));
        // WSLg
        let windows = Machine {
            variables: &[("DISPLAY", ":0")],
            ..off
        };
        assert_eq!(windows.place(), None);
    }
    let over_ssh = Machine {
        variables: &[("SSH_CLIENT", "a 1 22")],
        ..wsl
    };
    assert_eq!(over_ssh.place(), Some(Place::Ssh));
    // Docker Desktop
    let container = Machine {
        files: &[MICROSOFT, INTEROP, ("/.dockerenv", "")],
        ..Machine::default()
    };
    assert_eq!(container.place(), Some(Place::Container));
}

#[test]
fn desktop_session_is_found_without_its_variables() {
    let machine = Machine {
        desktop: true,
        ..Machine::default()
    };
    let around = machine.look();
    assert!(around.seen);
    assert_eq!(around.session, [("DISPLAY", OsString::from(":7"))]);
    assert_eq!(Machine::default().place(), Some(Place::NoDisplay));
    let mac = Machine {
        needs_no_display: true,
        ..Machine::default()
    };
    assert_eq!(mac.place(), None);
}

#[test]
fn helper_of_vs_code_counts_only_with_its_window() {
    let helper = "/home/me/.vscode-server/cli/servers/Stable-1/server/bin/helpers/browser.sh";
    let socket = ("VSCODE_IPC_HOOK_CLI", "/run/user/1000/vscode-ipc-1.sock");
    let files = [(socket.1, "")];
    let browser = |variables: &[(&str, &str)], files: &[(&str, &str)]| {
        let machine = Machine {
            variables,
            files,
            ..Machine::default()
        };
        machine.look().browser
    };
    let named = ("BROWSER", helper);
    assert_eq!(browser(&[named, socket], &files).as_deref(), Some(helper));
    assert_eq!(browser(&[named, socket], &[]), None);
    assert_eq!(browser(&[named], &files), None);
    let own = [("BROWSER", "firefox")];
    assert_eq!(browser(&own, &[]).as_deref(), Some("firefox"));
    assert_eq!(browser(&[("BROWSER", " ")], &[]), None);
}

#[cfg(target_os = "linux")]
#[test]
fn processes_above_are_asked_for_the_variables_they_started_with() {
    use std::io::BufRead;
    use std::process::{Command, Stdio};

    let script = "exec 3<&0; env -u ABOVE_1 cat <&3 & echo $!; wait";
    let mut shell = Command::new("sh")
        .env("ABOVE_1", "x")
        .env("ABOVE_2", "")
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut output = std::io::BufReader::new(shell.stdout.take().unwrap());
    output.read_line(&mut line).unwrap();
    let grandchild: u32 = line.trim().parse().unwrap();
    assert!(ancestors_have(grandchild, &["ABOVE_0", "ABOVE_1"]));
    for absent in ["ABOVE_2", "ABOVE", "BOVE_1"] {
        assert!(!ancestors_have(grandchild, &[absent]), "{absent}");
    }
    drop(shell.stdin.take());
    shell.wait().unwrap();
}

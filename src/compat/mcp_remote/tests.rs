use super::*;

fn start(command: &[&str]) -> Start {
    recognise(command[0], &command[1..])
}

/// The arguments of mcp-remote, how many arguments go, and what comes out of strings.
fn bridge(command: &[&str]) -> (String, usize, usize) {
    match start(command) {
        Start::Bridge(launch) => (launch.args.join("|"), launch.skip, launch.fresh.len()),
        other => panic!("{command:?}: {other:?}"),
    }
}

const URL: &str = "https://mcp.example.com/mcp";

#[test]
fn every_launcher_is_recognised() {
    for launcher in [
        &["npx", "mcp-remote"][..],
        &["npx", "-y", "mcp-remote"],
        &["npx", "-y", "mcp-remote@latest"],
        &["npx", "--yes", "mcp-remote@0.1.18"],
        &["npx", "-y", "--", "mcp-remote"],
        &["npx", "-p", "mcp-remote@latest", "mcp-remote"],
        &["npx", "-y", "--package=mcp-remote", "--", "mcp-remote"],
        &["npx", "--registry", "https://npm.example.com", "mcp-remote"],
        &["npx", "--cache=/tmp/x", "mcp-remote"],
        &["npx.cmd", "-y", "mcp-remote"],
        &["/opt/homebrew/bin/npx", "-y", "mcp-remote"],
        &["C:\\Program Files\\nodejs\\npx.cmd", "mcp-remote"],
        &["C:\\PROGRA~1\\nodejs\\NPX.CMD", "mcp-remote"],
        &["npm", "exec", "--yes", "--", "mcp-remote"],
        &["npm", "x", "mcp-remote", "--"],
        &["bunx", "mcp-remote"],
        &["bunx", "--bun", "mcp-remote@latest"],
        &["bun", "x", "mcp-remote"],
        &["pnpm", "dlx", "mcp-remote"],
        &["pnpm", "--silent", "dlx", "mcp-remote"],
        &["pnpx", "mcp-remote"],
        &["pnpm", "mcp-remote"],
        &["yarn", "dlx", "-q", "mcp-remote@latest"],
        &["yarn", "mcp-remote"],
        &["deno", "run", "-A", "npm:mcp-remote"],
        &[
            "deno",
            "run",
            "--allow-net",
            "npm:mcp-remote@0.1/mcp-remote",
        ],
        &["node", "/usr/lib/node_modules/mcp-remote/dist/proxy.js"],
        &[
            "node",
            "--no-warnings",
            "./node_modules/mcp-remote/dist/proxy.js",
        ],
        &[
            "node.exe",
            "C:\\npm\\node_modules\\mcp-remote\\dist\\proxy.js",
        ],
        &[
            "/usr/bin/node",
            "/usr/lib/node_modules/npm/bin/npx-cli.js",
            "-y",
            "mcp-remote",
        ],
        &["node", "node_modules/.bin/mcp-remote"],
        &["bun", "run", "/x/mcp-remote/dist/proxy.js"],
        &["mcp-remote"],
        &["/usr/local/bin/mcp-remote"],
        &["C:\\Users\\me\\AppData\\Roaming\\npm\\mcp-remote.cmd"],
        &["/x/node_modules/mcp-remote/dist/proxy.js"],
        &["cmd", "/c", "npx", "mcp-remote"],
        &[
            "cmd.exe",
            "/d",
            "/s",
            "/c",
            "npx",
            "-y",
            "mcp-remote@latest",
        ],
        &["C:\\Windows\\System32\\cmd.exe", "/C", "npx", "mcp-remote"],
        &["wsl", "npx", "mcp-remote"],
        &["wsl.exe", "-d", "Ubuntu", "--", "npx", "-y", "mcp-remote"],
        &["wsl", "-e", "/usr/bin/npx", "mcp-remote"],
        &["env", "npx", "mcp-remote"],
        &["powershell", "-NoProfile", "-Command", "npx", "mcp-remote"],
    ] {
        let command: Vec<&str> = launcher
            .iter()
            .copied()
            .chain([URL, "3334", "--debug"])
            .collect();
        let (args, skip, fresh) = bridge(&command);
        assert_eq!(args, format!("{URL}|3334|--debug"), "{launcher:?}");
        assert_eq!((skip, fresh), (launcher.len() - 1, 0), "{launcher:?}");
    }
}

#[test]
fn commands_in_one_string_are_recognised() {
    for (command, args, skip, fresh) in [
        (
            &["npx -y mcp-remote https://x.example --header \"A: b c\""][..],
            "https://x.example|--header|A: b c",
            0,
            3,
        ),
        (
            &["npx -y mcp-remote", URL],
            "https://mcp.example.com/mcp",
            0,
            0,
        ),
        (
            &["npx mcp-remote@latest https://x.example", "--debug"],
            "https://x.example|--debug",
            0,
            1,
        ),
        (
            &["bash", "-lc", "npx -y mcp-remote https://x.example?a=b"],
            "https://x.example?a=b",
            2,
            1,
        ),
        (
            &["sh", "-c", "exec npx mcp-remote 'https://x.example'"],
            "https://x.example",
            2,
            1,
        ),
        (
            &["zsh", "-l", "-i", "-c", "mcp-remote https://x.example"],
            "https://x.example",
            4,
            1,
        ),
        (
            &["cmd", "/c", "npx -y mcp-remote https://x.example"],
            "https://x.example",
            2,
            1,
        ),
        (
            &["cmd", "/c", "npx mcp-remote", URL],
            "https://mcp.example.com/mcp",
            2,
            0,
        ),
        (
            &["wsl", "bash", "-c", "npx mcp-remote https://x.example"],
            "https://x.example",
            3,
            1,
        ),
        (
            &["pwsh", "-c", "npx mcp-remote https://x.example"],
            "https://x.example",
            2,
            1,
        ),
    ] {
        let expected = (args.to_owned(), skip, fresh);
        assert_eq!(bridge(command), expected, "{command:?}");
    }
}

#[test]
fn what_is_not_understood_is_told() {
    for (command, odd) in [
        (
            &["npx", "--node-options=--x", "mcp-remote", URL][..],
            "the option `--node-options` of `npx`",
        ),
        (
            &["npx", "-c", "mcp-remote https://x.example"],
            "the option `-c` of `npx`",
        ),
        (
            &[
                "node",
                "--require",
                "./x.js",
                "/x/mcp-remote/dist/proxy.js",
                URL,
            ],
            "the option `--require`",
        ),
        (
            &[
                "bash",
                "-c",
                "source ~/.nvm/nvm.sh && npx mcp-remote https://x.example",
            ],
            "shell command",
        ),
        (&["bash", "-c", "npx mcp-remote $URL"], "shell command"),
        (
            &["bash", "-c", "npx mcp-remote \"$1\"", "x", URL],
            "shell command",
        ),
        (
            &["bash", "-x", "-c", "npx mcp-remote https://x.example"],
            "the option `-x`",
        ),
        (
            &["docker", "run", "-i", "node", "npx", "mcp-remote", URL],
            "container",
        ),
        (&["env", "A=b", "npx", "mcp-remote", URL], "sets variables"),
        (
            &["npx", "-p", "mcp-remote", "mcp-remote-client", URL],
            "mcp-remote-client",
        ),
        (&["npx", "mcp-remote"], "no address"),
        (&["npx", "-y", "-p", "mcp-remote"], "does not say which"),
        (&["cmd", "/k", "npx", "mcp-remote", URL], "`/k`"),
        (
            &["powershell", "-Command", "npx mcp-remote $env:URL"],
            "shell command",
        ),
    ] {
        match start(command) {
            Start::Unknown(found) => {
                assert!(found.to_string().contains(odd), "{command:?}: {found}")
            }
            other => panic!("{command:?}: {other:?}"),
        }
    }
}

#[test]
fn other_programs_are_left_alone() {
    for command in [
        &["npx", "-y", "@modelcontextprotocol/server-everything"][..],
        &["node", "server.js"],
        &["uvx", "x"],
        &["", ""],
    ] {
        assert_eq!(start(command), Start::Other, "{command:?}");
    }
    for command in [
        &[
            "npx",
            "-y",
            "supergateway",
            "--stdio",
            "npx mcp-remote https://x.example",
        ][..],
        &["npx", "mcp-remote-go", URL],
        &["npx", "my-mcp-remote", URL],
        &["npx", "@someone/mcp-remote", URL],
        &["node", "/home/me/mcp-remote/server.js"],
        &["/home/me/mcp-remote/run.sh"],
        &["echo", "mcp-remote"],
        &["npm", "install", "mcp-remote"],
        &["bash", "/home/me/mcp-remote.sh"],
    ] {
        assert_eq!(start(command), Start::Mentioned, "{command:?}");
    }
}

#[test]
fn wsl_is_remembered() {
    let Start::Bridge(launch) = start(&["wsl", "npx", "mcp-remote", URL]) else {
        panic!("recognised");
    };
    assert!(launch.in_wsl);
}

#[test]
fn what_a_shell_would_change_is_not_taken_as_it_is_written() {
    let cmd = ["/c", "npx", "-y", "mcp-remote"];
    let wsl = ["npx", "mcp-remote"];
    for (shell, launcher, args) in [
        (
            "cmd",
            &cmd[..],
            &[URL, "--header", "Authorization:Bearer %TOKEN%"][..],
        ),
        ("cmd", &cmd, &[URL, "--header", "A: b & %TOKEN%"]),
        ("cmd", &cmd, &["%URL%"]),
        ("cmd", &cmd, &["https://x.example/?a=%41%&b=%C%"]),
        ("cmd", &cmd, &["https://x.example/b?p=1^&q=2"]),
        ("cmd", &cmd, &["https://x.example/b?p=1&q=2"]),
        ("cmd", &cmd, &[URL, "&&", "echo", "x"]),
        ("cmd", &cmd, &[URL, ">", "%TEMP%\\log.txt"]),
        ("cmd", &cmd, &[URL, "2>nul"]),
        ("cmd", &cmd, &[URL, "--header", "A:\"b\" & c"]),
        ("cmd", &cmd, &[URL, "--header", "A: b\r\nC: d"]),
        ("cmd", &["/d", "/c", "npx mcp-remote"], &[URL, "%X%"]),
        (
            "cmd",
            &["/c", "C:\\Program Files\\nodejs\\npx", "mcp-remote"],
            &["%URL%"],
        ),
        ("cmd", &["/c", "mcp-remote"], &[URL, "|", "more"]),
        ("wsl", &wsl, &[URL, "--header", "X:$TOKEN"]),
        ("wsl", &wsl, &[URL, "--header", "X: $TOKEN"]),
        ("wsl", &wsl, &[URL, "--header", "X: `id`"]),
        ("wsl", &wsl, &["https://x.example/?a=1&b=2"]),
        ("wsl", &wsl, &[URL, "--header", "X:it's"]),
        ("wsl", &wsl, &[URL, ";", "echo"]),
        (
            "wsl",
            &["-d", "Ubuntu", "--", "npx", "mcp-remote"],
            &["~/x"],
        ),
        (
            "wsl",
            &["bash", "-c"],
            &["npx mcp-remote https://x.example/$A"],
        ),
    ] {
        let command = [&[shell], launcher, args].concat();
        match start(&command) {
            Start::Unknown(odd) => {
                let told = odd.to_string();
                let line = told.contains(&format!("`{shell}`")) || odd == Odd::Shell;
                assert!(line, "{command:?}: {told}");
                assert!(!told.contains("TOKEN"), "{told}");
            }
            other => panic!("{command:?}: {other:?}"),
        }
    }
    let powershell =
        |args: &[&str]| start(&[&["powershell", "-Command", "npx", "mcp-remote"], args].concat());
    for args in [
        &[URL, "--header", "A: b"][..],
        &[URL, "--ignore-tool", "a,b"],
    ] {
        assert_eq!(powershell(args), Start::Unknown(Odd::Shell), "{args:?}");
    }
}

#[test]
fn what_a_shell_hands_on_is_taken() {
    for command in [
        &[
            "cmd",
            "/c",
            "npx",
            "mcp-remote",
            URL,
            "--header",
            "A: b & (c) > d",
        ][..],
        &[
            "cmd",
            "/c",
            "npx",
            "mcp-remote",
            "https://x.example/a%20b?c=%2F",
            "",
        ],
        &[
            "cmd",
            "/c",
            "npx",
            "mcp-remote",
            URL,
            "--x",
            "{\"a\":\"b c\"}",
        ],
        &[
            "cmd",
            "/c",
            "C:\\Program Files (x86)\\nodejs\\npx",
            "mcp-remote",
            URL,
        ],
        &[
            "wsl",
            "npx",
            "mcp-remote",
            URL,
            "--header",
            "A: b & (c) > d",
            "",
        ],
        &["wsl", "npx", "mcp-remote", "https://x.example/?a=b"],
        &["wsl", "npx", "mcp-remote", URL, "--x", "{\"a\":\"b\"}"],
        &[
            "wsl",
            "-e",
            "npx",
            "mcp-remote",
            URL,
            "--header",
            "X:$TOKEN",
        ],
        &[
            "wsl",
            "--exec",
            "npx",
            "mcp-remote",
            "https://x.example/?a=1&b=2",
        ],
    ] {
        let (args, _, fresh) = bridge(command);
        let at = command.iter().position(|word| word.contains("mcp-remote"));
        let given = command[at.expect("it is there") + 1..].join("|");
        assert_eq!((args, fresh), (given, 0), "{command:?}");
    }
    // What has nothing to do with mcp-remote is nobody's business here.
    let other = ["cmd", "/c", "node", "C:\\mcp-remote-x\\y.js", "%X%"];
    assert_eq!(start(&other), Start::Mentioned);
}

#[test]
fn what_another_program_starts_is_told() {
    for command in [
        &["op", "run", "--", "npx", "-y", "mcp-remote", URL][..],
        &[
            "mise",
            "exec",
            "node@22",
            "--",
            "npx",
            "-y",
            "mcp-remote",
            URL,
        ],
        &["volta", "run", "npx", "mcp-remote", URL],
        &["nice", "-n", "5", "npx", "mcp-remote", URL],
        &["/usr/bin/nice", "mcp-remote", URL],
        &["op run -- npx -y mcp-remote https://x.example"],
        &["A=b npx mcp-remote https://x.example"],
        &["mcp-proxy", "npx", "mcp-remote", URL],
        &[
            "mcp-proxy",
            "--",
            "sh",
            "-c",
            "npx mcp-remote https://x.example",
        ],
        &[
            "npx",
            "-y",
            "dotenv-cli",
            "--",
            "npx",
            "-y",
            "mcp-remote",
            URL,
        ],
        &["node", "run.js", "mcp-remote", "${input:url}"],
        &["env", "op", "run", "--", "npx", "mcp-remote", URL],
        &["cmd", "/c", "op", "run", "--", "npx", "mcp-remote", URL],
        &[
            "docker",
            "run",
            "-i",
            "node",
            "sh",
            "-c",
            "npx mcp-remote https://x.example",
        ],
        &["op", "run", "--", "npx", "--odd", "mcp-remote", URL],
    ] {
        assert_eq!(start(command), Start::Unknown(Odd::Behind), "{command:?}");
    }
    for command in [
        &[
            "npx",
            "-y",
            "-p",
            "mcp-remote@latest",
            "-c",
            "mcp-remote https://x.example",
        ][..],
        &["npx", "--package=mcp-remote", "--call", "echo"],
        &["cmd", "/k npx mcp-remote https://x.example"],
    ] {
        let odd = matches!(start(command), Start::Unknown(Odd::Option { .. }));
        assert!(odd, "{command:?}: {:?}", start(command));
    }
    // Looking for it has an end.
    let many = ["x"].into_iter().chain(std::iter::repeat_n("npx", 200_000));
    let many: Vec<&str> = many.chain(["mcp-remote"]).collect();
    assert_eq!(start(&many), Start::Mentioned);
}

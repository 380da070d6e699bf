//! The launchers: what they call their options, and where the command behind them begins.

use super::words::{self, Word};
use super::{Odd, names_it};

/// How often a launcher may start another.
const LAUNCHERS: usize = 8;

/// How many words are looked at for mcp-remote behind a program that is not known. No real command has
/// as many.
const SEARCHED: usize = 1000;

/// What is behind the launchers.
pub(super) enum Stripped {
    /// mcp-remote with these arguments.
    Bridge { rest: Vec<Word>, in_wsl: bool },
    /// Another program.
    Other,
    /// Something that is not understood.
    Unknown(Odd),
}

/// A launcher of npm packages: its options before the package's name.
struct Runner {
    /// Those that change nothing for mcp-remote.
    switches: &'static [&'static str],
    /// The same with a value.
    values: &'static [&'static str],
    /// Those that name a package, whose program's name comes then.
    packages: &'static [&'static str],
}

const NPX: Runner = Runner {
    switches: &[
        "-y",
        "--yes",
        "-q",
        "--quiet",
        "--silent",
        "-s",
        "--no-install",
        "--no",
        "--ignore-existing",
        "--prefer-online",
        "--prefer-offline",
        "--offline",
        "--no-audit",
        "--no-fund",
        "--no-update-notifier",
        "--ignore-scripts",
        "-g",
        "--global",
        "--loglevel=error",
        "--loglevel=silent",
    ],
    values: &[
        "--registry",
        "--cache",
        "--userconfig",
        "--prefix",
        "--loglevel",
    ],
    packages: &["-p", "--package"],
};

const PNPM: Runner = Runner {
    switches: &[
        "-s",
        "--silent",
        "-y",
        "--yes",
        "--prefer-offline",
        "--offline",
    ],
    values: &["--registry", "--reporter", "--allow-build", "-C", "--dir"],
    packages: &["--package", "-p"],
};

const YARN: Runner = Runner {
    switches: &["-q", "--quiet", "-s", "--silent", "-y", "--yes"],
    values: &[],
    packages: &["-p", "--package"],
};

const BUN: Runner = Runner {
    switches: &[
        "--bun",
        "-b",
        "--silent",
        "--verbose",
        "--no-install",
        "-y",
        "--yes",
    ],
    values: &[],
    packages: &["-p", "--package"],
};

/// Options of Node and Bun that only say how JavaScript is run.
const NODE_SWITCHES: [&str; 10] = [
    "--no-warnings",
    "--no-deprecation",
    "--use-system-ca",
    "--use-openssl-ca",
    "--use-bundled-ca",
    "--enable-source-maps",
    "--network-family-autoselection",
    "--no-network-family-autoselection",
    "--experimental-fetch",
    "--bun",
];

/// The same with a value behind `=`.
const NODE_VALUES: [&str; 4] = [
    "--dns-result-order=",
    "--max-old-space-size=",
    "--max-http-header-size=",
    "--network-family-autoselection-attempt-timeout=",
];

/// Takes launchers away until mcp-remote is in front.
pub(super) fn strip(words: Vec<Word>) -> Stripped {
    match peel(words) {
        Ok(stripped) => stripped,
        Err(words) if starts_later(&words) => Stripped::Unknown(Odd::Behind),
        Err(_) => Stripped::Other,
    }
}

/// Whether a program is followed by a command that starts mcp-remote. What comes of that is up to the
/// program, which may do more than start it.
fn starts_later(words: &[Word]) -> bool {
    let words = &words[..words.len().min(SEARCHED)];
    let is_address = |word: &Word| word.text.contains("://") || word.text.contains("${");
    // The program itself, but no page about it, and no other package of that name.
    let is_program = |text: &str| {
        let is_other = text.contains("://") || text.starts_with('@');
        is_package(text) || is_script(text) || !is_other && program_name(text) == "mcp-remote"
    };
    let is_start = |at: &usize| {
        let text = &words[*at].text;
        is_program(text) || KNOWN.contains(&program_name(text).as_str())
    };
    let starts = |at: usize| {
        if is_program(&words[at].text) {
            return words[at + 1..].iter().any(is_address);
        }
        match peel(words[at..].to_vec()) {
            Ok(Stripped::Bridge { rest, .. }) => !rest.is_empty(),
            Ok(Stripped::Unknown(_)) => true,
            Ok(Stripped::Other) | Err(_) => false,
        }
    };
    let mut found = (1..words.len()).filter(is_start).take(LAUNCHERS);
    found.any(starts)
}

/// The same without a look behind what is not known, of which it gives the words.
fn peel(mut words: Vec<Word>) -> Result<Stripped, Vec<Word>> {
    let mut in_wsl = false;
    for _ in 0..LAUNCHERS {
        let Some(first) = words.first() else {
            return Ok(Stripped::Other);
        };
        let name = program_name(&first.text);
        let rest = words[1..].to_vec();
        in_wsl |= name == "wsl";
        let next = match name.as_str() {
            "mcp-remote" => return Ok(Stripped::Bridge { rest, in_wsl }),
            "npx" | "npx-cli.js" => package(&name, &NPX, rest),
            "npm" => subcommand(&name, &["exec", "x"], &NPX, rest),
            "pnpx" => package(&name, &PNPM, rest),
            "pnpm" => subcommand(&name, &["dlx", "exec"], &PNPM, rest),
            "yarn" => subcommand(&name, &["dlx", "exec"], &YARN, rest),
            "bunx" => package(&name, &BUN, rest),
            "bun" if is(rest.first(), "x") => package(&name, &BUN, rest[1..].to_vec()),
            "bun" if is(rest.first(), "run") => script(&name, rest[1..].to_vec()),
            "node" | "nodejs" | "bun" => script(&name, rest),
            "deno" => deno(rest),
            "cmd" => cmd(rest),
            "wsl" => wsl(rest),
            "bash" | "sh" | "zsh" | "dash" | "fish" | "ash" | "ksh" => shell(&name, rest),
            "powershell" | "pwsh" => powershell(&name, rest),
            "env" => env(rest),
            "exec" | "command" | "nohup" => Next::Words(rest),
            "docker" | "podman" | "nerdctl" => {
                let names = rest.iter().any(|word| is_package(&word.text));
                match names {
                    true => Next::Odd(Odd::Container(name)),
                    false => Next::Other,
                }
            }
            _ if is_script(&first.text) => return Ok(Stripped::Bridge { rest, in_wsl }),
            _ => Next::Other,
        };
        match next {
            Next::Bridge(rest) => return Ok(Stripped::Bridge { rest, in_wsl }),
            Next::Words(next) => words = next,
            Next::Other => return Err(words),
            Next::Odd(odd) => return Ok(Stripped::Unknown(odd)),
        }
    }
    Ok(Stripped::Unknown(Odd::Shell))
}

/// What [`peel`] knows, but for mcp-remote.
const KNOWN: [&str; 26] = [
    "npx",
    "npx-cli.js",
    "npm",
    "pnpx",
    "pnpm",
    "yarn",
    "bunx",
    "bun",
    "node",
    "nodejs",
    "deno",
    "cmd",
    "wsl",
    "bash",
    "sh",
    "zsh",
    "dash",
    "fish",
    "ash",
    "ksh",
    "powershell",
    "pwsh",
    "env",
    "docker",
    "podman",
    "nerdctl",
];

enum Next {
    /// mcp-remote with these arguments.
    Bridge(Vec<Word>),
    /// The command that the launcher starts.
    Words(Vec<Word>),
    Other,
    Odd(Odd),
}

/// The name of a program without its folder and what Windows adds to it, in small letters.
fn program_name(path: &str) -> String {
    let name = path.rsplit(['/', '\\']).next().unwrap_or_default();
    let name = name.to_ascii_lowercase();
    let ends = [".exe", ".cmd", ".bat", ".ps1"];
    let cut = ends.iter().find_map(|end| name.strip_suffix(end));
    cut.map_or(name.clone(), str::to_owned)
}

fn is(word: Option<&Word>, text: &str) -> bool {
    word.is_some_and(|word| word.text == text)
}

/// Whether a text names mcp-remote as npm names packages.
fn is_package(text: &str) -> bool {
    let name = text.strip_prefix("npm:").unwrap_or(text);
    let rest = name.strip_prefix("mcp-remote");
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('@'))
}

/// Whether a path leads to the program within the installed package.
fn is_script(path: &str) -> bool {
    let path = path.replace('\\', "/");
    let ends = ["dist/proxy.js", "dist/proxy.mjs", "dist/proxy.cjs"];
    ends.iter().any(|end| {
        let folder = path
            .strip_suffix(end)
            .and_then(|path| path.strip_suffix('/'));
        folder.is_some_and(|folder| folder == "mcp-remote" || folder.ends_with("/mcp-remote"))
    })
}

fn is_client(text: &str) -> bool {
    let path = text.replace('\\', "/");
    program_name(text) == "mcp-remote-client" || path.ends_with("mcp-remote/dist/client.js")
}

/// Whether mcp-remote is among these words, or those of a string, for what is not understood before it.
fn is_among(words: &[Word]) -> bool {
    let starts = |text: &str| is_package(text) || is_script(text) || is_client(text);
    words
        .iter()
        .any(|word| starts(&word.text) || word.text.split_whitespace().any(starts))
}

fn odd_option(launcher: &str, option: &str, rest: &[Word]) -> Next {
    odd_if(is_among(rest), launcher, option)
}

/// What an option comes to that is not known, if the command `starts` mcp-remote.
fn odd_if(starts: bool, launcher: &str, option: &str) -> Next {
    match starts {
        true => Next::Odd(Odd::Option {
            launcher: launcher.to_owned(),
            option: option.split('=').next().unwrap_or_default().to_owned(),
        }),
        false => Next::Other,
    }
}

fn subcommand(name: &str, subcommands: &[&str], runner: &Runner, words: Vec<Word>) -> Next {
    let options = words.iter().take_while(|word| word.text.starts_with('-'));
    let at = options.count();
    if let Some(option) = words[..at]
        .iter()
        .find(|word| !runner.switches.contains(&word.text.as_str()))
    {
        return odd_option(name, &option.text, &words);
    }
    match words.get(at) {
        Some(word) if subcommands.contains(&word.text.as_str()) => {
            package(name, runner, words[at + 1..].to_vec())
        }
        // `yarn mcp-remote` and `pnpm mcp-remote` start what the folder's project has.
        Some(word) if name != "npm" && is_package(&word.text) => {
            Next::Bridge(words[at + 1..].to_vec())
        }
        _ => Next::Other,
    }
}

/// What a runner starts: the options, then the package or the name of its program.
fn package(name: &str, runner: &Runner, words: Vec<Word>) -> Next {
    let mut named = false;
    let mut at = 0;
    while let Some(word) = words.get(at) {
        let text = word.text.as_str();
        let (option, value) = match text.split_once('=') {
            Some((option, value)) if text.starts_with("--") => (option, Some(value)),
            _ => (text, None),
        };
        match () {
            () if text == "--" => {
                at += 1;
                break;
            }
            () if !text.starts_with('-') => break,
            () if runner.switches.contains(&text) => at += 1,
            () if runner.packages.contains(&option) || runner.values.contains(&option) => {
                let next = words.get(at + 1).map(|word| word.text.as_str());
                let is_ours = value.or(next).is_some_and(is_package);
                named |= runner.packages.contains(&option) && is_ours;
                at += 1 + usize::from(value.is_none());
            }
            () => return odd_if(named || is_among(&words[at..]), name, text),
        }
    }
    let Some(program) = words.get(at) else {
        return match named {
            true => Next::Odd(Odd::Program),
            false => Next::Other,
        };
    };
    let mut rest = words[at + 1..].to_vec();
    match () {
        () if is_client(&program.text) => Next::Odd(Odd::Client),
        () if is_package(&program.text) => {
            // npm exec takes the `--` between the package and its arguments for itself.
            if name == "npm" && is(rest.first(), "--") {
                rest.remove(0);
            }
            Next::Bridge(rest)
        }
        () if named => Next::Odd(Odd::Program),
        () => Next::Other,
    }
}

/// What Node starts: options of its own, then a script.
fn script(name: &str, words: Vec<Word>) -> Next {
    let is_known = |text: &str| {
        NODE_SWITCHES.contains(&text) || NODE_VALUES.iter().any(|option| text.starts_with(option))
    };
    let mut at = 0;
    while let Some(word) = words.get(at).filter(|word| word.text.starts_with('-')) {
        if !is_known(&word.text) {
            return odd_option(name, &word.text, &words);
        }
        at += 1;
    }
    let Some(script) = words.get(at) else {
        return Next::Other;
    };
    let file = program_name(&script.text);
    match () {
        () if is_script(&script.text) || file == "mcp-remote" => {
            Next::Bridge(words[at + 1..].to_vec())
        }
        () if is_client(&script.text) => Next::Odd(Odd::Client),
        () if file == "npx-cli.js" => Next::Words(words[at..].to_vec()),
        () => Next::Other,
    }
}

fn deno(words: Vec<Word>) -> Next {
    if !is(words.first(), "run") {
        return Next::Other;
    }
    let options = words[1..]
        .iter()
        .take_while(|word| word.text.starts_with('-'));
    let at = 1 + options.count();
    let is_known = |text: &str| text == "-A" || text == "-q" || text.starts_with("--allow-");
    let odd = words[1..at].iter().find(|word| !is_known(&word.text));
    if let Some(option) = odd {
        return odd_option("deno", &option.text, &words);
    }
    let Some(package) = words.get(at) else {
        return Next::Other;
    };
    let name = package
        .text
        .strip_suffix("/mcp-remote")
        .unwrap_or(&package.text);
    match name.starts_with("npm:") && is_package(name) {
        true => Next::Bridge(words[at + 1..].to_vec()),
        false => Next::Other,
    }
}

fn cmd(words: Vec<Word>) -> Next {
    let at = words
        .iter()
        .position(|word| word.text.eq_ignore_ascii_case("/c"));
    let Some(at) = at else {
        return odd_option("cmd", "/k", &words);
    };
    let known = ["/d", "/s", "/q", "/v:off"];
    let is_known = |word: &Word| known.contains(&word.text.to_ascii_lowercase().as_str());
    if let Some(option) = words[..at].iter().find(|word| !is_known(word)) {
        return odd_option("cmd", &option.text, &words);
    }
    let rest = words[at + 1..].to_vec();
    let is_line =
        |line: &&Word| line.text.contains(char::is_whitespace) && !has_blank_path(&line.text);
    let line = rest.first().filter(is_line);
    let others = &rest[usize::from(line.is_some())..];
    match line {
        _ if !others
            .iter()
            .all(|word| words::is_literal_for_cmd(&word.text)) =>
        {
            expanded("cmd", &rest)
        }
        Some(line) => in_string(words::split_for_cmd(&line.text), &rest),
        None => Next::Words(rest),
    }
}

/// What arguments come to that a shell changes, so that what is written here is not what it hands on.
fn expanded(shell: &'static str, words: &[Word]) -> Next {
    match is_among(words) {
        true => Next::Odd(Odd::Expanded(shell)),
        false => Next::Other,
    }
}

/// Whether a word is a program's path with blanks in it, such as that of Node on Windows.
fn has_blank_path(text: &str) -> bool {
    let name = program_name(text);
    (text.contains('\\') || text.contains('/')) && (name == "npx" || name == "node")
}

/// The words of a string that a shell runs, and what stands behind it.
fn in_string(line: Option<Vec<Word>>, words: &[Word]) -> Next {
    match line {
        Some(mut line) => {
            line.extend(words[1..].iter().cloned());
            Next::Words(line)
        }
        None if words.iter().any(|word| names_it(&word.text)) => Next::Odd(Odd::Shell),
        None => Next::Other,
    }
}

fn wsl(words: Vec<Word>) -> Next {
    let mut at = 0;
    // Without `--exec`, the user's shell there reads the arguments as one line, also behind `--`.
    let mut by_shell = true;
    while let Some(word) = words.get(at) {
        match word.text.as_str() {
            "-d" | "--distribution" | "-u" | "--user" | "--cd" | "--shell-type" => at += 2,
            "~" => at += 1,
            option @ ("-e" | "--exec" | "--") => {
                by_shell = option == "--";
                at += 1;
                break;
            }
            text if text.starts_with('-') => return odd_option("wsl", text, &words),
            _ => break,
        }
    }
    let rest = words.get(at..).unwrap_or_default();
    match rest {
        [line] if line.text.contains(' ') => in_string(words::split(&line.text), rest),
        _ if by_shell
            && !rest
                .iter()
                .all(|word| words::is_literal_for_wsl(&word.text)) =>
        {
            expanded("wsl", rest)
        }
        _ => Next::Words(rest.to_vec()),
    }
}

fn shell(name: &str, words: Vec<Word>) -> Next {
    let is_mentioned = words.iter().any(|word| names_it(&word.text));
    let mut at = 0;
    while let Some(word) = words.get(at) {
        let letters = word.text.strip_prefix('-').unwrap_or_default();
        match () {
            () if word.text == "--login" || word.text == "--interactive" => at += 1,
            () if letters.is_empty() || letters.starts_with('-') => return Next::Other,
            () if letters.chars().any(|c| !"lic".contains(c)) => {
                return match is_mentioned {
                    true => Next::Odd(Odd::Option {
                        launcher: name.to_owned(),
                        option: word.text.clone(),
                    }),
                    false => Next::Other,
                };
            }
            () if letters.contains('c') => {
                at += 1;
                break;
            }
            () => at += 1,
        }
    }
    match words.get(at..).unwrap_or_default() {
        rest @ [line] => in_string(words::split(&line.text), rest),
        [] => Next::Other,
        // What follows is the shell's `$0` and so on, which the line may use.
        _ if is_mentioned => Next::Odd(Odd::Shell),
        _ => Next::Other,
    }
}

fn powershell(name: &str, words: Vec<Word>) -> Next {
    let mut at = 0;
    while let Some(word) = words.get(at) {
        match word.text.to_ascii_lowercase().as_str() {
            "-noprofile" | "-nop" | "-noninteractive" | "-noni" | "-nologo" => at += 1,
            "-executionpolicy" | "-ep" | "-windowstyle" | "-w" => at += 2,
            "-command" | "-c" => {
                at += 1;
                break;
            }
            text if text.starts_with('-') => {
                return match words.iter().any(|word| names_it(&word.text)) {
                    true => Next::Odd(Odd::Option {
                        launcher: name.to_owned(),
                        option: word.text.clone(),
                    }),
                    false => Next::Other,
                };
            }
            _ => break,
        }
    }
    let rest = words.get(at..).unwrap_or_default();
    let plain = |c: char| !"$`;&|<>(){}@'\"#\n\r%,".contains(c);
    let has_blank = |word: &Word| word.text.contains(char::is_whitespace);
    // PowerShell joins its arguments and reads them again, by rules of its own: a blank parts them.
    if rest.iter().any(|word| !word.text.chars().all(plain)) || rest.iter().skip(1).any(has_blank) {
        return match rest.iter().any(|word| names_it(&word.text)) {
            true => Next::Odd(Odd::Shell),
            false => Next::Other,
        };
    }
    match rest {
        [line] if line.text.contains(' ') => in_string(words::split_for_cmd(&line.text), rest),
        _ => Next::Words(rest.to_vec()),
    }
}

fn env(words: Vec<Word>) -> Next {
    match words.first() {
        Some(word) if word.text.contains('=') && is_among(&words) => Next::Odd(Odd::Variables),
        Some(word) if word.text.starts_with('-') => odd_option("env", &word.text, &words),
        Some(_) => Next::Words(words),
        None => Next::Other,
    }
}

//! A terminal to run the program in: python3 holds the other end of a pseudo-terminal.

use std::process::{Command, Stdio};

use super::machine::Machine;

/// Starts what its arguments say in a terminal of so many columns, types what is left of them, copies
/// what appears, and ends as it did.
const SCRIPT: &str = r"
import fcntl, os, pty, struct, sys, termios
columns, typed, command = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
read, write = os.pipe()
pid, terminal = pty.fork()
if pid == 0:
    os.read(read, 1)
    os.execvp(command[0], command)
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack('HHHH', 50, columns, 0, 0))
os.write(write, b'x')
if typed:
    os.write(terminal, typed.encode())
while True:
    try:
        piece = os.read(terminal, 65536)
    except OSError:
        break
    if not piece:
        break
    sys.stdout.buffer.write(piece)
status = os.waitpid(pid, 0)[1]
sys.exit(os.waitstatus_to_exitcode(status))
";

/// What appeared in a terminal, with line ends as programs write them.
pub struct Shown {
    pub text: String,
    pub code: Option<i32>,
}

impl Shown {
    /// The text without what only paints it.
    pub fn bare(&self) -> String {
        let mut bare = String::new();
        let mut rest = self.text.as_str();
        while let Some((before, after)) = rest.split_once("\u{1b}[") {
            bare.push_str(before);
            rest = after.split_once('m').expect("only colours").1;
        }
        bare + rest
    }

    /// Whether anything was painted.
    pub fn is_coloured(&self) -> bool {
        self.text.contains('\u{1b}')
    }
}

/// Runs the program in a terminal of so many columns, with these variables besides.
pub fn in_terminal(
    machine: &Machine,
    columns: usize,
    variables: &[(&str, &str)],
    arguments: &[&str],
) -> Shown {
    answering(machine, columns, variables, "", arguments)
}

/// The same, and types this.
pub fn answering(
    machine: &Machine,
    columns: usize,
    variables: &[(&str, &str)],
    typed: &str,
    arguments: &[&str],
) -> Shown {
    let program = machine.command();
    let program = program.get_program().to_string_lossy().into_owned();
    let words = [&[program.as_str()][..], arguments].concat();
    run(machine, columns, variables, typed, &words)
}

/// What a shell in a terminal makes of this script, in which the program is `$0`. Whatever is asked gets
/// a no.
pub fn by_shell(machine: &Machine, script: &str) -> Shown {
    let program = machine.command();
    let program = program.get_program().to_string_lossy().into_owned();
    run(machine, 100, &[], "n\n", &["sh", "-c", script, &program])
}

fn run(
    machine: &Machine,
    columns: usize,
    variables: &[(&str, &str)],
    typed: &str,
    words: &[&str],
) -> Shown {
    let program = machine.command();
    let mut command = Command::new("python3");
    command.args(["-c", SCRIPT, &columns.to_string(), typed]);
    command.args(words);
    command.env_clear();
    let given = program.get_envs();
    command.envs(given.filter_map(|(name, value)| Some((name, value?))));
    command.env("TERM", "xterm-256color");
    command.envs(variables.iter().copied());
    let output = command.stdin(Stdio::null()).output().expect("python3");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(output.stderr.is_empty(), "{:?}", output.stderr);
    Shown {
        text: text.replace("\r\n", "\n"),
        code: output.status.code(),
    }
}

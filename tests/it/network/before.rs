//! What stands before servers, or on the way to them: programs from a distribution, each with a
//! folder of its own. They end with the test, however that ends.

use std::fs;
use std::io::ErrorKind;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A program that runs until this is dropped.
pub struct Program {
    child: Child,
    pub folder: TempDir,
}

impl Program {
    /// Starts a program, which writes into this folder, and waits until it listens on these ports.
    pub fn start(name: &str, arguments: &[&str], folder: TempDir, ports: &[u16]) -> Self {
        is_installed(name);
        // The shell waits for the end of its stdin, which comes with the end of this process, too.
        let script = "\"$@\" </dev/null & child=$!; cat >/dev/null; kill $child; wait $child";
        let child = Command::new("sh")
            .args(["-c", script, "sh", name])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.path().join("stderr")).expect("a file"))
            .spawn()
            .expect("a shell");
        let program = Self { child, folder };
        let deadline = Instant::now() + Duration::from_secs(30);
        for port in ports {
            while TcpStream::connect(("127.0.0.1", *port)).is_err() {
                assert!(
                    Instant::now() < deadline,
                    "{name} does not listen on {port}:\n{}",
                    program.said()
                );
                thread::sleep(Duration::from_millis(5));
            }
        }
        program
    }

    /// What it wrote to its log and to stderr.
    pub fn said(&self) -> String {
        let read = |name| fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
        format!("{}\n{}", read("stderr"), read("error.log"))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

fn is_installed(name: &str) {
    match Command::new(name)
        .arg("-v")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
    {
        Err(error) if error.kind() == ErrorKind::NotFound => panic!(
            "the tests of networks need `{name}`: install it (Debian: apt-get install nginx tinyproxy-bin openssl) and see that it is in `PATH` (Debian: /usr/sbin)"
        ),
        _ => {}
    }
}

/// A port for a program that is told where to listen.
pub fn free_port() -> u16 {
    playground::free_port().expect("a port")
}

/// A path as text.
pub fn text(path: &Path) -> &str {
    path.to_str().expect("a path of text")
}

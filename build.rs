//! In a release build for Linux, puts the functions that a running bridge uses next to each other, and
//! one library less has to be loaded at each start.
//!
//! The system brings code into memory in blocks of 64 KiB. What runs is a fifth of the program; as the
//! compiler leaves it, that fifth is spread over nearly all blocks, and all of them are resident. Put
//! together, it takes a third of them. The linker does so by `src/running.txt`, the names of those
//! functions, which `cargo run --release -p benchmark -- --running` writes. A name that the linker
//! does not find costs nothing, and a function that is not named only lies elsewhere.

use std::env;
use std::error::Error;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// The variable that leaves everything where the compiler puts it.
const UNPLACED: &str = "MCP_DRAWBRIDGE_UNPLACED";

/// The part of the program that holds the functions.
const SECTION: &str = ".text.running";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/running.txt");
    println!("cargo::rerun-if-env-changed={UNPLACED}");
    // To find out what runs: valgrind knows the functions of `.text` by their names, and no others.
    if env::var_os(UNPLACED).is_some() {
        return Ok(());
    }
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|found| found == value);
    if !is("CARGO_CFG_TARGET_OS", "linux") || !is("PROFILE", "release") {
        return Ok(());
    }
    let folder = env::var("OUT_DIR")?;
    let folder = Path::new(&folder);
    let names = fs::read_to_string("src/running.txt")?;
    let names = names.lines().filter(|line| !line.starts_with('#'));
    let script = folder.join("running.ld");
    fs::write(&script, script_for(names))?;
    let trial = folder.join("trial.ld");
    fs::write(&trial, script_for(["main"].into_iter()))?;
    if understands(&trial, folder) {
        println!("cargo::rustc-link-arg-bins=-T{}", script.display());
    }
    // The standard library wants what walks the stack from libgcc_s, which takes 0.1 ms to load and as
    // many KiB. GCC brings the same to link.
    if is("CARGO_CFG_TARGET_ENV", "gnu") && runs_with(&["-l", UNWINDER], folder) {
        println!("cargo::rustc-link-lib={UNWINDER}");
    }
    Ok(())
}

/// What walks the stack, linked into the program.
const UNWINDER: &str = "static:-bundle=gcc_eh";

/// What tells the linker. GNU ld and LLD both know it; the rest of the layout stays theirs.
fn script_for<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut script = format!("SECTIONS\n{{\n  {SECTION} :\n  {{\n");
    for name in names {
        // The compiler puts apart what it takes to run seldom; what a start needs is among that.
        script += &format!("    *(.text.{name} .text.unlikely.{name})\n");
    }
    script + "  }\n}\nINSERT BEFORE .text;\n"
}

/// Whether the linker that is going to be used understands that. mold and gold, for example, do not.
fn understands(script: &Path, folder: &Path) -> bool {
    let mut argument = OsString::from("-Clink-arg=-T");
    argument.push(script);
    let name = SECTION.as_bytes();
    runs_with(&[argument], folder)
        && fs::read(folder.join(TRIAL))
            .is_ok_and(|program| program.windows(name.len()).any(|bytes| bytes == name))
}

/// The name of a program that does nothing.
const TRIAL: &str = "trial";

/// Whether such a program can be linked with these arguments, and runs if it can.
fn runs_with(arguments: &[impl AsRef<OsStr>], folder: &Path) -> bool {
    let program = folder.join(TRIAL);
    let mut rustc = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    rustc
        .args(["-", "--crate-name=trial", "--crate-type=bin", "-o"])
        .arg(&program)
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if let Ok(target) = env::var("TARGET") {
        rustc.arg("--target").arg(target);
    }
    if let Some(linker) = env::var_os("RUSTC_LINKER") {
        let mut argument = OsString::from("-Clinker=");
        argument.push(linker);
        rustc.arg(argument);
    }
    if let Ok(flags) = env::var("CARGO_ENCODED_RUSTFLAGS") {
        rustc.args(flags.split('\u{1f}').filter(|flag| !flag.is_empty()));
    }
    let built = rustc.spawn().and_then(|mut child| {
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(b"fn main() {}")?;
        }
        child.wait()
    });
    let is_for_here = env::var("HOST").ok() == env::var("TARGET").ok();
    let runs = || {
        let status = Command::new(&program).status();
        status.is_ok_and(|status| status.success())
    };
    built.is_ok_and(|status| status.success()) && (!is_for_here || runs())
}

//! `add`: writes a new entry into hosts' configuration files, or shows it. Decides nothing about
//! their text: [`crate::compat::insert`] does.

use std::path::PathBuf;

use super::hosts;
use super::hosts::file::{self, FileFault, Original};
use crate::compat::hosts::tree::Format;
use crate::compat::hosts::{Folders, HOSTS, Host, Place};
use crate::compat::insert::{NewEntry, insert};
use crate::compat::refusal::Refusal;
use crate::config::Add;
use crate::diag::{Diag, clean, clean_to};
use crate::error::Error;

/// The name of this command in the names of copies.
const COMMAND: &str = "add";

/// Writes the entry into the file of each host, or shows it.
pub fn run(job: &Add, diag: &Diag) -> Result<(), Error> {
    let program = hosts::program()?;
    if job.print {
        return print(job, &program);
    }
    let _lock = hosts::lock(&job.base, diag)?;
    let variable = |name: &str| job.home.env.get(name).cloned();
    let folders = hosts::folders(&job.home, &variable);
    let mut failed = 0;
    for host in &job.hosts {
        match write(job, host, &program, &folders) {
            Ok((path, copy)) => {
                let path = clean_to(&path.display().to_string(), 2000);
                let copy = copy.map(|copy| clean_to(&copy.display().to_string(), 2000));
                let before = match &copy {
                    Some(copy) => format!("; what was there is in `{copy}`"),
                    None => String::new(),
                };
                diag.note(format_args!(
                    "{}: `{}` is in `{path}` now{before}; restart the client if it does not show it",
                    host.title,
                    clean(&job.name)
                ));
            }
            Err(fault) => {
                failed += 1;
                let (message, hint) = fault.told(job, host);
                diag.error(message, hint.as_deref());
            }
        }
    }
    match failed {
        0 => Ok(()),
        files => Err(Error::Unchanged { files, entries: 0 }),
    }
}

/// Why the entry was not written.
enum Fault {
    /// The host has no file here.
    NoFile,
    /// The text of the file cannot be changed.
    Refused(PathBuf, Refusal),
    /// The file cannot be.
    File(PathBuf, FileFault),
}

impl Fault {
    fn told(&self, job: &Add, host: &Host) -> (String, Option<String>) {
        let shown = |path: &PathBuf| clean_to(&path.display().to_string(), 2000);
        match self {
            Self::NoFile => {
                let what = match job.project {
                    true => "has no configuration file in a project",
                    false => "has no configuration file of the user on this system",
                };
                let hint = format!(
                    "`--print` shows what to paste there; {}",
                    match job.project {
                        true => "without `--project` it is written for you alone",
                        false => "some clients have one in a project only: `--project`",
                    }
                );
                (format!("{} {what}", host.title), Some(hint))
            }
            Self::Refused(path, refusal) => (
                format!(
                    "{}: `{}` stays as it is: {refusal}",
                    host.title,
                    shown(path)
                ),
                Some(refusal.hint().to_owned()),
            ),
            Self::File(path, fault) => (
                format!("{}: `{}` stays as it is: {fault}", host.title, shown(path)),
                Some(fault.hint()),
            ),
        }
    }
}

/// Writes the entry into the file of a host. Gives the file, and the copy of what was there.
fn write(
    job: &Add,
    host: &'static Host,
    program: &str,
    folders: &Folders<'_>,
) -> Result<(PathBuf, Option<PathBuf>), Fault> {
    let (place, path) = target(job, host, folders).ok_or(Fault::NoFile)?;
    let of_file = |fault| Fault::File(path.clone(), fault);
    let original = Original::read(&path).map_err(of_file)?;
    let text = match &original {
        Some(original) => {
            original.is_changeable().map_err(of_file)?;
            original.text().map_err(of_file)?
        }
        None => "",
    };
    let new = insert(text, place.format, &entry(job, host, place, program))
        .map_err(|refusal| Fault::Refused(path.clone(), refusal))?;
    let copy = match &original {
        Some(original) => Some(original.replace(new.as_bytes(), COMMAND).map_err(of_file)?),
        None => {
            file::create(&path, new.as_bytes()).map_err(of_file)?;
            None
        }
    };
    Ok((path, copy))
}

/// The file that the entry goes into: the first that is there, else the first of all.
fn target(
    job: &Add,
    host: &'static Host,
    folders: &Folders<'_>,
) -> Option<(&'static Place, PathBuf)> {
    let is_candidate = |place: &&Place| place.is_project() == job.project && !place.is_pattern();
    let places = host.places.iter().filter(is_candidate);
    let known: Vec<_> = places
        .filter_map(|place| Some((place, place.path(folders)?)))
        .collect();
    // Another place may be an older one, in which servers are not looked for any more.
    let same = |(place, _): &&(&Place, PathBuf)| known[0].0.servers == place.servers;
    let present = known.iter().filter(same).find(|(_, path)| path.exists());
    present.or(known.first()).cloned()
}

fn entry<'a>(job: &'a Add, host: &'a Host, place: &'a Place, program: &str) -> NewEntry<'a> {
    NewEntry {
        name: &job.name,
        members: host.shape.entry(&job.name, program, &job.args),
        way: place.servers.first().copied().unwrap_or_default(),
        shape: host.shape,
        replace: job.replace,
    }
}

/// A host that has no file takes what most take.
const USUAL: (Format, &[&str]) = (Format::Json, &["mcpServers"]);

/// Shows the entry as it would stand in an empty file.
fn print(job: &Add, program: &str) -> Result<(), Error> {
    let usual = [&HOSTS[0]];
    let hosts = match job.hosts.is_empty() {
        true => &usual[..],
        false => &job.hosts[..],
    };
    let mut text = String::new();
    for host in hosts {
        let mut places = host.places.iter().filter(|place| !place.is_pattern());
        let place = places.find(|place| place.is_project() == job.project);
        let place = place.or(host.places.first());
        let (format, way) = match place {
            Some(place) => (
                place.format,
                place.servers.first().copied().unwrap_or_default(),
            ),
            None => USUAL,
        };
        let entry = NewEntry {
            name: &job.name,
            members: host.shape.entry(&job.name, program, &job.args),
            way,
            shape: host.shape,
            replace: false,
        };
        let snippet = insert("", format, &entry).map_err(Error::Snippet)?;
        text.push_str(&snippet);
    }
    super::print(&text)
}

//! `cargo xtask simulate --planted`: puts bugs into a copy of the core, one at a time, and the simulation has to find
//! each. A claim that no planted bug breaks may check nothing.
//!
//! The bugs are in `crates/sim/planted.toml`. The clone itself is not touched. Some are put into the simulation
//! instead, which models the JavaScript around the core, and that has to be right, too.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow, bail};
use serde::Deserialize;

use crate::repository::Repository;
use crate::{simulate, step};

/// The bugs.
const BUGS: &str = "crates/sim/planted.toml";
/// What the copy has of the clone.
const COPIED: [&str; 5] = [
    "Cargo.toml",
    "Cargo.lock",
    "crates/core",
    "crates/sim",
    "src",
];

#[derive(Debug, Deserialize)]
struct Bugs {
    bug: Vec<Bug>,
}

/// A bug: a text in a file that becomes another.
#[derive(Debug, Deserialize)]
struct Bug {
    /// What is done wrong.
    name: String,
    /// Which crate it is in.
    #[serde(default, rename = "crate")]
    of: Crate,
    /// Below the crate's `src`.
    file: PathBuf,
    was: String,
    becomes: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Crate {
    #[default]
    Core,
    Sim,
}

impl Bug {
    /// The file that it is in, of this clone.
    fn path(&self, clone: &Path) -> PathBuf {
        let sources = match self.of {
            Crate::Core => "crates/core/src",
            Crate::Sim => "crates/sim/src",
        };
        clone.join(sources).join(&self.file)
    }

    /// The file's text with the bug in it.
    fn plant(&self, text: &str) -> Result<String> {
        match text.matches(&self.was).count() {
            1 => Ok(text.replace(&self.was, &self.becomes)),
            count => bail!(
                "the bug {:?}: its place is {count} times in {}; {BUGS} has to follow the core",
                self.name,
                self.file.display()
            ),
        }
    }
}

fn bugs() -> Result<Vec<Bug>> {
    let text = fs::read_to_string(BUGS).with_context(|| format!("cannot read {BUGS}"))?;
    let Bugs { bug } = toml::from_str(&text).with_context(|| BUGS.to_owned())?;
    Ok(bug)
}

/// Plants every bug with this text in its name, and prints after how many seeds it was found, as rows of a
/// table.
pub(crate) fn run(repository: &Repository, name: &str, seeds: u64) -> Result<()> {
    let mut bugs = bugs()?;
    bugs.retain(|bug| bug.name.contains(name));
    let place = repository.target().join("planted");
    let copy = place.join("tree");
    copy_clone(&copy)?;
    println!("| planted bug | seeds | the claim it breaks |\n| --- | --- | --- |");
    let mut missed = Vec::new();
    for bug in &bugs {
        let file = bug.path(&copy);
        let sound = fs::read_to_string(&file)?;
        fs::write(&file, bug.plant(&sound)?)?;
        let found = hunt(repository, &place, &copy, seeds)
            .with_context(|| format!("the bug {:?}", bug.name))?;
        fs::write(&file, sound)?;
        match found {
            Some((seed, claim)) => println!("| {} | {} | {claim} |", bug.name, seed + 1),
            None => {
                println!("| {} | none of {seeds} | |", bug.name);
                missed.push(bug.name.as_str());
            }
        }
    }
    if !missed.is_empty() {
        bail!("not found: {}", missed.join(", "));
    }
    Ok(())
}

/// Builds the copy and looks for the first seed that breaks a claim.
fn hunt(
    repository: &Repository,
    place: &Path,
    copy: &Path,
    seeds: u64,
) -> Result<Option<(u64, String)>> {
    let mut build = repository.cargo();
    build.args(simulate::BUILD).arg("--offline");
    build.current_dir(copy).env("CARGO_TARGET_DIR", place);
    step::run("simulation", build)?;
    let program = place.join(simulate::PROFILE).join("simulate");
    // One thread finds the least seed.
    let mut simulate = Command::new(&program);
    simulate.args(["--threads=1", "--brief", &format!("--seeds={seeds}")]);
    let output = simulate.output()?;
    if output.status.success() {
        return Ok(None);
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let found = text.lines().find_map(|line| {
        let (seed, claim) = line.split_once("the first is ")?.1.split_once(": ")?;
        Some((seed.parse().ok()?, claim.to_owned()))
    });
    found
        .map(Some)
        .ok_or_else(|| anyhow!("the simulation said something else:\n{text}"))
}

/// Copies what the simulation is built from into a workspace of its own.
fn copy_clone(copy: &Path) -> Result<()> {
    if copy.exists() {
        fs::remove_dir_all(copy)?;
    }
    for part in COPIED {
        copy_all(Path::new(part), &copy.join(part))?;
    }
    let manifest = copy.join("Cargo.toml");
    let mut root: toml::Table = fs::read_to_string(&manifest)?.parse()?;
    let workspace = root
        .get_mut("workspace")
        .and_then(toml::Value::as_table_mut);
    workspace
        .ok_or_else(|| anyhow!("Cargo.toml has no workspace"))?
        .insert(
            "members".to_owned(),
            toml::Value::from(vec!["crates/core", "crates/sim"]),
        );
    fs::write(&manifest, toml::to_string(&root)?)?;
    Ok(())
}

fn copy_all(from: &Path, to: &Path) -> Result<()> {
    if from.is_dir() {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            copy_all(&entry.path(), &to.join(entry.file_name()))?;
        }
        return Ok(());
    }
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::copy(from, to).with_context(|| format!("cannot copy {}", from.display()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bug_still_has_its_place() {
        std::env::set_current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).unwrap();
        let bugs = bugs().unwrap();
        assert!(bugs.len() >= 8, "{} bugs", bugs.len());
        for bug in bugs {
            let text = fs::read_to_string(bug.path(Path::new("."))).unwrap();
            assert_ne!(bug.plant(&text).unwrap(), text);
        }
    }
}

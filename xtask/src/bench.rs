//! `cargo xtask bench`: measures the deployed build.
//!
//! The crate `tagpost-bench` does the work; the systems to compare with are there, too.

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::interrupt::Group;
use crate::repository::Repository;
use crate::{setup, step, worker};

/// The profile, and the folder in cargo's target directory.
const PROFILE: &str = "measurement";

/// The parts, as the program of the measurements names them; a wrong one is refused before that is built.
const PARTS: [&str; 12] = [
    "ceiling",
    "confirmed",
    "steady",
    "busy",
    "connect",
    "offline",
    "queue",
    "address",
    "push",
    "cold",
    "crowd",
    "costs",
];

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// A run of about a minute that shows that everything works, and nothing else
    #[arg(long)]
    quick: bool,
    /// Only these parts; repeatable
    #[arg(long, value_name = "PART", value_parser = PARTS)]
    only: Vec<String>,
    /// Measure an earlier version, too: a checkout in which `cargo xtask build` has run
    #[arg(long, value_name = "CHECKOUT")]
    before: Option<PathBuf>,
}

/// Builds the Worker and the measurements, and runs them.
pub(crate) fn run(repository: &Repository, options: &Options) -> Result<()> {
    setup::run(repository)?;
    worker::build(repository, &worker::Options::default())?;
    let mut build = repository.cargo();
    build.args(["build", "--package=tagpost-bench", "--profile", PROFILE]);
    step::run("measurements", build)?;
    let program = repository.target().join(PROFILE).join("bench");
    let mut bench = std::process::Command::new(&program);
    bench.arg("--node").arg(repository.node_program());
    bench.args(options.quick.then_some("--quick"));
    bench.args(options.only.iter().map(|part| format!("--only={part}")));
    if let Some(before) = &options.before {
        bench.arg("--before").arg(before);
    }
    let status = Group::spawn(&mut bench)?.wait()?;
    if !status.success() {
        bail!("the measurements ended with {status}");
    }
    Ok(())
}

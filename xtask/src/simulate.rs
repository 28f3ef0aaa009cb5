//! `cargo xtask simulate`: many histories of the whole system, each checked against every guarantee.
//!
//! The crate `tagpost-sim` does the work, in a build profile of its own: as fast as the product's, and able to catch a
//! panic and print its history.

use std::num::NonZero;

use anyhow::{Result, bail};

use crate::interrupt::Group;
use crate::repository::Repository;
use crate::{planted, step};

/// The profile, and the folder in cargo's target directory.
pub(crate) const PROFILE: &str = "simulation";

/// What cargo builds it with.
pub(crate) const BUILD: [&str; 4] = ["build", "--package=tagpost-sim", "--profile", PROFILE];

/// What to simulate.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// How many histories, one a seed
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    seeds: u64,
    /// The first seed
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    from: u64,
    /// How many threads; as many as there are cores where it is not said
    #[arg(long, value_name = "N")]
    threads: Option<NonZero<usize>>,
    /// Go on after a failure, and say how many seeds break each claim
    #[arg(long)]
    all: bool,
    /// Put bugs into a copy of the core, one after the other, and say after how many histories each is
    /// found; only those with TEXT in their names
    #[arg(
        long,
        value_name = "TEXT",
        num_args = 0..=1,
        default_missing_value = "",
        conflicts_with_all = ["from", "threads", "all"]
    )]
    planted: Option<String>,
}

/// Builds the simulation and runs it; what it finds is printed.
pub(crate) fn run(repository: &Repository, options: &Options) -> Result<()> {
    if let Some(name) = &options.planted {
        return planted::run(repository, name, options.seeds);
    }
    let mut build = repository.cargo();
    build.args(BUILD);
    step::run("simulation", build)?;
    let program = repository.target().join(PROFILE).join("simulate");
    let mut simulate = std::process::Command::new(&program);
    simulate.arg(format!("--seeds={}", options.seeds));
    simulate.arg(format!("--from={}", options.from));
    simulate.args(
        options
            .threads
            .map(|threads| format!("--threads={threads}")),
    );
    simulate.args(options.all.then_some("--all"));
    let status = Group::spawn(&mut simulate)?.wait()?;
    if !status.success() {
        bail!("a guarantee does not hold: see above");
    }
    Ok(())
}

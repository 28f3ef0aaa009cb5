//! The chores of the repository: `cargo xtask setup`, `build`, `dev`, `test`, `simulate`,
//! `bench`, `docs`, `deploy`, `dist`.
//!
//! Each prepares what it needs, so any of them works in a fresh clone. Tools come only from cargo, npm, pip and rustup,
//! in the versions of the lock files.
//!
//! Not here: the Worker's logic. A limit is checked by the same code that checks it there.

mod bench;
mod binaries;
mod console;
mod counts;
mod demo;
mod deploy;
mod dev;
mod dist;
mod docs;
mod fingerprint;
mod interrupt;
#[cfg(test)]
mod oldest;
mod part;
mod paths;
mod phone;
mod planted;
mod python;
mod relay;
mod repository;
mod secrets;
mod setup;
mod simulate;
mod size;
mod step;
mod test;
mod vars;
mod worker;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::repository::Repository;

/// The chores of the tagpost repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Install what the other chores need: the wasm target and the npm packages
    Setup,
    /// Build the Worker
    Build(worker::Options),
    /// Run the service on this machine, with two demo devices
    Dev(dev::Options),
    /// Check everything: format, lints, native tests, builds, end-to-end tests
    Test(test::Options),
    /// Simulate the whole system, many histories of it, and check every guarantee
    Simulate(simulate::Options),
    /// Measure it, next to a hand-written floor and the alternatives
    Bench(bench::Options),
    /// Build the documentation as a site
    Docs(docs::Options),
    /// Create or migrate the remote database, and deploy the Worker
    Deploy(deploy::Options),
    /// Pack what runs and deploys without Rust
    Dist(dist::Options),
}

fn main() -> ExitCode {
    match run(Arguments::parse().chore) {
        Ok(()) => ExitCode::SUCCESS,
        // A user who interrupted it needs no error message.
        Err(_) if interrupt::happened() => ExitCode::from(interrupt::EXIT_CODE),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(chore: Chore) -> Result<()> {
    interrupt::listen()?;
    let repository = Repository::enter()?;
    match chore {
        Chore::Setup => setup::run(&repository),
        Chore::Build(options) => {
            setup::run(&repository)?;
            worker::build(&repository, &options)
        }
        Chore::Dev(options) => dev::run(&repository, &options),
        Chore::Test(options) => test::run(&repository, &options),
        Chore::Simulate(options) => simulate::run(&repository, &options),
        Chore::Bench(options) => bench::run(&repository, &options),
        Chore::Docs(options) => docs::run(&repository, &options),
        Chore::Deploy(options) => deploy::run(&repository, &options),
        Chore::Dist(options) => dist::run(&repository, &options),
    }
}

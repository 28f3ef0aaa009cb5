//! `cargo xtask test`: every check that a change has to pass.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use clap::ValueEnum;

use crate::repository::Repository;
use crate::setup::TARGET;
use crate::{paths, python, setup, size, step, worker};

/// Where the build with faults to inject goes. It is never deployed.
const FAULTS: &str = "build-faults";

/// The npm project of the tools of others that the description of the interface has to satisfy. They are installed
/// for the tests alone, so that nobody waits for them who only wants to run tagpost.
const OPENAPI: &str = "tests/openapi";

/// What to check.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only these parts; repeatable
    #[arg(long, value_enum)]
    only: Vec<Part>,
    /// End-to-end tests to run, by words in their file names; of Python, by words in their names
    filter: Vec<String>,
}

/// A part of the whole, in the order in which they run.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// The format of the Rust code
    Format,
    /// Clippy and the TypeScript compiler, with warnings as errors
    Lint,
    /// Unit and property tests of all crates
    Native,
    /// End-to-end tests on workerd, of a fresh build
    Workerd,
    /// The types and tests of the Python library, on workerd
    Python,
}

/// Runs the parts; the first failure ends it.
pub(crate) fn run(repository: &Repository, options: &Options) -> Result<()> {
    setup::run(repository)?;
    for part in Part::value_variants() {
        if !options.only.is_empty() && !options.only.contains(part) {
            continue;
        }
        match part {
            Part::Format => format(repository)?,
            Part::Lint => lint(repository)?,
            Part::Native => {
                step::run("native tests", cargo(repository, &["test", "--workspace"]))?;
            }
            Part::Workerd => workerd(repository, &options.filter)?,
            // The words are of other files, unless only this is asked for.
            Part::Python if !options.filter.is_empty() && options.only.is_empty() => {}
            Part::Python => {
                worker::build(repository, &worker::Options::default())?;
                python::check(repository, &options.filter)?;
            }
        }
    }
    Ok(())
}

fn format(repository: &Repository) -> Result<()> {
    setup::component(repository, "fmt")?;
    step::run("format", cargo(repository, &["fmt", "--all", "--check"]))
}

fn lint(repository: &Repository) -> Result<()> {
    setup::component(repository, "clippy")?;
    let native = [
        "clippy",
        "--workspace",
        "--exclude=tagpost",
        "--all-targets",
        "--",
        "-Dwarnings",
    ];
    step::run("clippy", cargo(repository, &native))?;
    for features in ["", "fault-injection"] {
        let name = format!("clippy for wasm {features}");
        let wasm = [
            "clippy",
            "--package=tagpost",
            "--all-targets",
            "--target",
            TARGET,
            "--features",
            features,
        ];
        let mut command = cargo(repository, &wasm);
        command.args(paths::remap()?).args(["--", "-Dwarnings"]);
        step::run(name.trim_end(), command)?;
    }
    for project in ["tests", "xtask", "clients/js", "clients/js/test"] {
        let mut types = repository.node("node_modules/typescript/bin/tsc")?;
        types.args(["--noEmit", "--project", project]);
        step::run(&format!("types of {project}"), types)?;
    }
    description(repository)
}

/// The OpenAPI description by the linters of others.
fn description(repository: &Repository) -> Result<()> {
    setup::install_packages(Path::new(OPENAPI))?;
    for (linter, script, arguments) in [
        (
            "redocly",
            "@redocly/cli/bin/cli.js",
            ["lint", "--config", "redocly.yaml"].as_slice(),
        ),
        (
            "spectral",
            "@stoplight/spectral-cli/dist/index.js",
            &["lint", "--ruleset=spectral.yaml", "--fail-severity=hint"],
        ),
    ] {
        let mut command = repository.node(Path::new("node_modules").join(script))?;
        command
            .args(arguments)
            .arg("../../src/openapi.json")
            // It would ask elsewhere for a newer version, and report that it was used.
            .envs([
                ("REDOCLY_SUPPRESS_UPDATE_NOTICE", "true"),
                ("REDOCLY_TELEMETRY", "off"),
            ])
            .current_dir(OPENAPI);
        step::run(linter, command)?;
    }
    Ok(())
}

fn workerd(repository: &Repository, filter: &[String]) -> Result<()> {
    let deployed = worker::Options::default();
    worker::build(repository, &deployed)?;
    let wasm = worker::wasm(&deployed);
    size::check(&wasm)?;
    paths::check(&wasm)?;
    let faults = worker::Options {
        features: vec!["fault-injection".to_owned()],
        profile: "faults".to_owned(),
        out: PathBuf::from(FAULTS),
    };
    worker::build(repository, &faults)?;
    setup::install_packages(Path::new(OPENAPI))?;
    let mut vitest = repository.node("node_modules/vitest/vitest.mjs")?;
    vitest.arg("run").args(filter);
    step::run("end-to-end tests", vitest)?;
    if !filter.is_empty() {
        return Ok(());
    }
    // The tests of the client that need the built Worker. With the whole workspace its dependencies have the features
    // that they were built with for the native tests.
    let client = ["test", "--workspace", "--test=relay", "--", "--ignored"];
    step::run("client tests", cargo(repository, &client))
}

fn cargo(repository: &Repository, arguments: &[&str]) -> Command {
    let mut command = repository.cargo();
    command.args(arguments);
    command
}

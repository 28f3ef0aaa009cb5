//! `cargo xtask deploy`: the database first, then the Worker that needs it.
//!
//! wrangler does everything that talks to Cloudflare, including its prompts and the login.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::repository::Repository;
use crate::{setup, vars};

const WRANGLER: &str = "node_modules/wrangler/bin/wrangler.js";

/// The database's binding and name in wrangler.toml.
const BINDING: &str = "DB";
const NAME: &str = "tagpost";

/// How to deploy.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Build and check everything, but change nothing at Cloudflare
    #[arg(long)]
    dry_run: bool,
    /// Arguments for `wrangler deploy`, such as `-- --secrets-file FILE` with the first deployment
    #[arg(last = true)]
    wrangler: Vec<String>,
}

/// Brings the database to the state the Worker expects, and deploys the Worker.
pub(crate) fn run(repository: &Repository, options: &Options) -> Result<()> {
    vars::check(&vars::configured()?).context("wrangler.toml")?;
    setup::run(repository)?;
    let mut deploy = wrangler(repository, &["deploy"])?;
    deploy.args(&options.wrangler);
    if options.dry_run {
        deploy.arg("--dry-run");
    } else {
        if !database_exists(repository)? {
            run_visibly(wrangler(repository, &["d1", "create", NAME])?)?;
        }
        run_visibly(wrangler(
            repository,
            &["d1", "migrations", "apply", BINDING, "--remote"],
        )?)?;
    }
    run_visibly(deploy)
}

fn database_exists(repository: &Repository) -> Result<bool> {
    let mut list = wrangler(repository, &["d1", "list", "--json"])?;
    let output = list
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run wrangler")?;
    if !output.status.success() {
        bail!(
            "wrangler d1 list ended with {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stdout)
        );
    }
    contains_database(&output.stdout).context("wrangler d1 list")
}

fn contains_database(list: &[u8]) -> Result<bool> {
    #[derive(Deserialize)]
    struct Database {
        name: String,
    }
    let databases: Vec<Database> = serde_json::from_slice(list)?;
    Ok(databases.iter().any(|database| database.name == NAME))
}

fn wrangler(repository: &Repository, arguments: &[&str]) -> Result<Command> {
    let mut command = repository.node(WRANGLER)?;
    command.args(arguments);
    Ok(command)
}

/// Runs a command that may have questions, in the terminal.
fn run_visibly(mut command: Command) -> Result<()> {
    let status = command.status().context("cannot run wrangler")?;
    if !status.success() {
        let arguments: Vec<_> = command
            .get_args()
            .skip(1)
            .map(|argument| argument.to_string_lossy())
            .collect();
        bail!("wrangler {} ended with {status}", arguments.join(" "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_is_found_by_its_whole_name() {
        let list = |name: &str| {
            format!(r#"[{{"uuid":"1","name":"other"}},{{"uuid":"2","name":"{name}"}}]"#)
        };
        assert!(contains_database(list("tagpost").as_bytes()).unwrap());
        assert!(!contains_database(list("tagpost-old").as_bytes()).unwrap());
        assert!(!contains_database(b"[]").unwrap());
        assert!(contains_database(b"not logged in").is_err());
    }
}

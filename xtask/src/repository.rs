//! The clone that the chores work on: the paths of its parts, and how to call its tools.
//!
//! Chores run in its root, so paths in commands and messages are relative to it.

use std::env;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow};

/// The Node.js that npm installs with the packages, which need a newer one than the system may have. It
/// comes for Linux only.
pub(crate) const NODE: &str = "node_modules/.bin/node";

/// The repository's clone.
pub(crate) struct Repository {
    root: PathBuf,
    target: PathBuf,
    /// The directory in which the chore was called.
    pub(crate) caller: PathBuf,
}

impl Repository {
    /// Finds the clone and enters its root.
    pub(crate) fn enter() -> Result<Self> {
        let caller = env::current_dir().context("the current directory")?;
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .ok_or_else(|| anyhow!("xtask lies in no repository"))?
            .to_owned();
        env::set_current_dir(&root).with_context(|| format!("cannot enter {}", root.display()))?;
        let target = target_directory()?;
        Ok(Self {
            root,
            target,
            caller,
        })
    }

    /// Cargo's target directory.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// `path` as it is written in commands for the root: relative if it lies within the clone.
    pub(crate) fn relative<'a>(&self, path: &'a Path) -> &'a Path {
        path.strip_prefix(&self.root).unwrap_or(path)
    }

    /// A run of a script under the clone's own Node.js, with the clone's npm commands in its path.
    pub(crate) fn node(&self, script: impl AsRef<Path>) -> Result<Command> {
        let bin = self.root.join("node_modules/.bin");
        let path = env::var_os("PATH").unwrap_or_default();
        let path = env::join_paths([bin].into_iter().chain(env::split_paths(&path)))
            .context("PATH cannot be extended")?;
        let mut command = Command::new(self.node_program());
        command.arg(script.as_ref()).env("PATH", path);
        Ok(command)
    }

    /// The clone's own Node.js, or the system's where the clone has none.
    pub(crate) fn node_program(&self) -> PathBuf {
        let node = self.root.join(NODE);
        if node.exists() { node } else { "node".into() }
    }

    /// A run of the cargo that runs this chore.
    pub(crate) fn cargo(&self) -> Command {
        Command::new(cargo())
    }

    /// Keeps other chores from installing and building at the same time, until the lock is dropped.
    pub(crate) fn lock(&self) -> Result<File> {
        let path = self.target.join("xtask.lock");
        fs::create_dir_all(&self.target)?;
        let lock =
            File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
        if matches!(lock.try_lock(), Err(TryLockError::WouldBlock)) {
            eprintln!("waiting for another `cargo xtask` to finish its build");
            lock.lock()
                .with_context(|| format!("cannot lock {}", path.display()))?;
        }
        Ok(lock)
    }
}

fn cargo() -> PathBuf {
    env::var_os("CARGO").map_or_else(|| "cargo".into(), PathBuf::from)
}

fn target_directory() -> Result<PathBuf> {
    #[derive(serde::Deserialize)]
    struct Metadata {
        target_directory: PathBuf,
    }
    let output = Command::new(cargo())
        .args(["metadata", "--no-deps", "--format-version=1"])
        .output()
        .context("cannot run cargo: it comes with rustup, https://rustup.rs")?;
    let metadata: Metadata = serde_json::from_slice(&output.stdout).with_context(|| {
        format!(
            "cargo metadata: {}",
            String::from_utf8_lossy(&output.stderr)
        )
    })?;
    Ok(metadata.target_directory)
}

//! Keeps the paths of the build machine out of the build.
//!
//! A panic names its source file. In a dependency or the standard library that is an absolute path, which would reveal
//! the builder's home directory and make the file different on each machine.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow, bail};

/// Arguments with which cargo has the compiler shorten the paths. Whatever compiles for `target` takes them:
/// with other flags cargo would compile everything again.
pub(crate) fn remap(target: &str) -> Result<[String; 2]> {
    let mut flags = Vec::new();
    for registry in registries()? {
        flags.push(format!("--remap-path-prefix={}=", registry.display()));
    }
    // The compiler names its own library by the commit, unless it finds the sources beside itself.
    let version = rustc("-vV")?;
    if let Some(commit) = commit(&version) {
        let sources = Path::new(rustc("--print=sysroot")?.trim()).join("lib/rustlib/src/rust");
        flags.push(format!(
            "--remap-path-prefix={}=/rustc/{commit}",
            sources.display()
        ));
    }
    let flags = serde_json::to_string(&flags)?;
    Ok([
        "--config".to_owned(),
        format!("target.{target}.rustflags={flags}"),
    ])
}

/// Refuses a compiled file that names a directory of the machine's user.
pub(crate) fn check(wasm: &Path) -> Result<()> {
    let code = fs::read(wasm).with_context(|| format!("cannot read {}", wasm.display()))?;
    for private in [home()?, cargo_home()?] {
        // In a container everything may be at home.
        if private.file_name().is_some() && contains(&code, &private) {
            bail!("{} contains the path {}", wasm.display(), private.display());
        }
    }
    Ok(())
}

fn contains(code: &[u8], path: &Path) -> bool {
    let path = path.as_os_str().as_encoded_bytes();
    code.windows(path.len()).any(|window| window == path)
}

/// Where cargo keeps the sources of dependencies, by registry. This program has some itself, so they are
/// there before the Worker is compiled.
fn registries() -> Result<Vec<PathBuf>> {
    let sources = cargo_home()?.join("registry/src");
    let mut registries = Vec::new();
    if sources.is_dir() {
        for entry in fs::read_dir(&sources)? {
            registries.push(entry?.path());
        }
    }
    registries.sort();
    Ok(registries)
}

fn home() -> Result<PathBuf> {
    env::home_dir().ok_or_else(|| anyhow!("the user has no home directory"))
}

fn cargo_home() -> Result<PathBuf> {
    match env::var_os("CARGO_HOME") {
        Some(directory) => Ok(directory.into()),
        None => Ok(home()?.join(".cargo")),
    }
}

fn rustc(argument: &str) -> Result<String> {
    let output = Command::new("rustc")
        .arg(argument)
        .output()
        .context("rustc is not there; install rustup: https://rustup.rs")?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The commit in what `rustc -vV` said.
fn commit(version: &str) -> Option<&str> {
    let mut lines = version.lines();
    let commit = lines.find_map(|line| line.strip_prefix("commit-hash: "))?;
    (commit != "unknown").then_some(commit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wasm_that_names_the_builders_home_is_refused_with_the_path() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("telling.wasm");
        let home = home().unwrap();
        let dependency = cargo_home()
            .unwrap()
            .join("registry/src/index/x/src/lib.rs");
        for private in [home.join("x.rs"), dependency] {
            let code = format!("\0asm\u{1}at {}:7", private.display());
            fs::write(&path, code).unwrap();
            let error = check(&path).unwrap_err().to_string();
            assert!(
                error.contains("telling.wasm contains the path /"),
                "{error}"
            );
        }
        fs::write(&path, "\0asm\u{1}at x/src/lib.rs:7").unwrap();
        check(&path).unwrap();
    }

    #[test]
    fn a_dependency_is_named_without_the_directory_of_its_registry() {
        let [_, config] = remap(crate::setup::TARGET).unwrap();
        let registry = cargo_home().unwrap().join("registry/src/");
        assert!(
            config.contains(&format!("={}", registry.display())),
            "{config}"
        );
        assert!(
            config.starts_with("target.wasm32-unknown-unknown.rustflags=[\"--remap"),
            "{config}"
        );
    }

    #[test]
    fn the_compilers_commit_is_read_where_it_knows_it() {
        assert_eq!(
            commit("rustc 1\nbinary: rustc\ncommit-hash: 59807\nhost: x"),
            Some("59807")
        );
        assert_eq!(commit("rustc 1\ncommit-hash: unknown\n"), None);
        assert_eq!(commit(""), None);
    }
}

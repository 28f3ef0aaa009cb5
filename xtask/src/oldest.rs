//! The oldest Rust that is promised, `rust-version` in `Cargo.toml`: no package of Cargo.lock asks for a newer one.
//!
//! Of the repository's own code clippy says so (`incompatible_msrv`), by the same entry. A package that names no
//! version is seen only by a compiler of that age, in the repository's workflow.

use std::process::Command;

const PROMISED: &str = env!("CARGO_PKG_RUST_VERSION");

#[derive(serde::Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(serde::Deserialize)]
struct Package {
    name: String,
    version: String,
    rust_version: Option<String>,
    /// `None` for a package of the repository.
    source: Option<String>,
}

#[test]
fn no_locked_package_needs_a_newer_rust_than_is_promised() {
    let metadata: Metadata = serde_json::from_slice(&metadata()).unwrap();
    let newer: Vec<String> = metadata
        .packages
        .iter()
        .filter_map(|package| {
            let needs = package.rust_version.as_deref()?;
            let Package { name, version, .. } = package;
            (numbers(needs) > numbers(PROMISED)).then(|| format!("{name} {version}: {needs}"))
        })
        .collect();
    assert!(newer.is_empty(), "{PROMISED} is promised, but {newer:?}");
}

#[test]
fn every_package_of_the_repository_promises_the_same_rust() {
    let metadata: Metadata = serde_json::from_slice(&metadata()).unwrap();
    let own = metadata
        .packages
        .iter()
        .filter(|package| package.source.is_none());
    for package in own {
        let promised = package.rust_version.as_deref();
        assert_eq!(promised, Some(PROMISED), "{}", package.name);
    }
}

/// What cargo knows of every package of Cargo.lock.
fn metadata() -> Vec<u8> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--locked"])
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    output.stdout
}

/// `1.91` and `1.91.0` are the same version.
fn numbers(version: &str) -> [u32; 3] {
    let mut numbers = [0; 3];
    for (number, part) in numbers.iter_mut().zip(version.split('.')) {
        *number = part.parse().unwrap();
    }
    numbers
}

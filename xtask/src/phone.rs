//! The phone's page as it is served: its scripts and styles, each bundled into one file, and its service worker.
//!
//! The worker keeps these files for the time without a network. It has their hashes, and the version that follows from
//! them; so a change of any of them is a change of the worker, by which a browser learns of it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::repository::Repository;

/// The sources, and the directory of the result below the console's.
pub(crate) const SOURCES: &str = "console/phone";
pub(crate) const DIRECTORY: &str = "phone";

/// The npm package's command. It finds the program for this machine.
const BUNDLER: &str = "node_modules/esbuild/bin/esbuild";

/// What the oldest supported browsers understand.
const BROWSERS: &str = "--target=chrome111,firefox121,safari16.4";

/// The bundles that the page loads, and what each begins with.
const BUNDLES: [(&str, &str); 2] = [("page.js", "page/main.js"), ("page.css", "css/page.css")];

/// The files that are kept as they are.
const FILES: [&str; 6] = [
    "manifest.webmanifest",
    "icons/icon.svg",
    "icons/icon-192.png",
    "icons/icon-512.png",
    "icons/maskable-512.png",
    "icons/badge-96.png",
];

/// Files that only the system asks for, when the app is installed.
const UNKEPT: [&str; 1] = ["icons/apple-touch-icon.png"];

/// The page, with this text in place of its version.
const PAGE: &str = "index.html";
const VERSION: &str = "VERSION";

/// The worker. Its name never changes: browsers look for its next version at its address.
const WORKER: (&str, &str) = ("sw.js", "worker/main.js");

/// Every file of the page, by its name.
pub(crate) fn build(repository: &Repository) -> Result<Vec<(String, Vec<u8>)>> {
    let mut kept = Vec::new();
    for (name, entry) in BUNDLES {
        let format = name.ends_with(".js").then_some("--format=esm");
        kept.push((name.to_owned(), bundle(repository, entry, format)?));
    }
    for name in FILES {
        kept.push((name.to_owned(), read(name)?));
    }
    let template = String::from_utf8(read(PAGE)?).context("the page is not UTF-8")?;
    let page = stamp(&template, &kept)?;

    let version = version(&template, &kept);
    let files: Vec<_> = kept
        .iter()
        .map(|(name, content)| json!([name, format!("sha256-{}", hash(content))]))
        .collect();
    let shell = json!({ "version": version, "files": files });
    let (name, entry) = WORKER;
    let define = format!("--define:SHELL={shell}");
    let worker = bundle(repository, entry, ["--format=iife", &define])?;

    kept.push((PAGE.to_owned(), page.into_bytes()));
    kept.push((name.to_owned(), worker));
    for name in UNKEPT {
        kept.push((name.to_owned(), read(name)?));
    }
    Ok(kept)
}

/// The page with its version.
fn stamp(template: &str, kept: &[(String, Vec<u8>)]) -> Result<String> {
    if template.matches(VERSION).count() != 1 {
        bail!("{SOURCES}/{PAGE} has to have {VERSION} in it, once");
    }
    Ok(template.replace(VERSION, &version(template, kept)))
}

/// Names this content.
fn version(template: &str, kept: &[(String, Vec<u8>)]) -> String {
    let mut hasher = Sha256::new();
    hasher.update(hash(template.as_bytes()));
    for (name, content) in kept {
        hasher.update(name);
        hasher.update(hash(content));
    }
    let mut name = STANDARD.encode(hasher.finalize());
    name.retain(|character| character.is_ascii_alphanumeric());
    name.truncate(12);
    name
}

fn hash(content: &[u8]) -> String {
    STANDARD.encode(Sha256::digest(content))
}

fn read(name: &str) -> Result<Vec<u8>> {
    let path = Path::new(SOURCES).join(name);
    fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
}

/// What `entry` and all that it imports are as one file.
fn bundle<'a>(
    repository: &Repository,
    entry: &str,
    options: impl IntoIterator<Item = &'a str>,
) -> Result<Vec<u8>> {
    let entry = Path::new(SOURCES).join(entry);
    let mut command = repository.node(BUNDLER)?;
    command
        .arg(&entry)
        .args([
            "--bundle",
            "--minify",
            "--legal-comments=none",
            "--log-level=warning",
            BROWSERS,
        ])
        .args(options);
    let output = command
        .output()
        .with_context(|| format!("cannot run {BUNDLER}"))?;
    if !output.status.success() {
        let log = String::from_utf8_lossy(&output.stderr);
        bail!("cannot bundle {}:\n{log}", entry.display());
    }
    Ok(output.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(content: &str) -> Vec<(String, Vec<u8>)> {
        vec![("page.js".to_owned(), content.as_bytes().to_vec())]
    }

    #[test]
    fn the_version_changes_with_every_file_and_with_the_page() {
        let page = "<meta content=\"VERSION\">";
        let first = version(page, &files("one"));
        assert_eq!(first, version(page, &files("one")));
        assert_ne!(first, version(page, &files("two")));
        assert_ne!(first, version("<p>VERSION", &files("one")));
        assert_eq!(
            stamp(page, &files("one")).unwrap(),
            format!("<meta content=\"{first}\">")
        );
    }

    #[test]
    fn a_page_without_a_place_for_its_version_is_refused() {
        let error = stamp("<p>", &files("one")).unwrap_err().to_string();
        assert_eq!(
            error,
            "console/phone/index.html has to have VERSION in it, once"
        );
    }
}

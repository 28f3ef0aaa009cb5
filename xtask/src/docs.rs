//! `cargo xtask docs`: the documentation as a site, made of `docs/` by mdBook.
//!
//! The pages are read in the repository, too, so their links lead to code and examples. The site has only the pages:
//! there such a link leads to the repository where it is published, or is plain text.
//!
//! Not here: the checks of links and pages, which are in `tests/documentation.test.ts` and need no mdBook.

mod openapi;

use std::fs;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::repository::Repository;
use crate::{setup, step};

/// The directory of the pages.
pub(crate) const SOURCE: &str = "docs";
const MDBOOK: &str = "0.5.4";
/// The npm project of what draws the diagrams.
const DIAGRAMS: &str = "xtask/site";
/// The page that is made of the OpenAPI description.
const INTERFACE: &str = "docs/reference/openapi.md";

/// How to build the site.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Where the repository is published: what precedes a path in it, such as https://example.org/tagpost/blob/main
    #[arg(long, value_name = "URL")]
    repository: Option<String>,
}

/// Writes the page of the HTTP interface, and builds the site into `target/site`.
pub(crate) fn run(repository: &Repository, options: &Options) -> Result<()> {
    fs::write(INTERFACE, interface()?).context(INTERFACE)?;
    let book = repository.target().join("book");
    if book.exists() {
        fs::remove_dir_all(&book).with_context(|| format!("cannot empty {}", book.display()))?;
    }
    copy(
        Path::new(SOURCE),
        &book.join(SOURCE),
        options.repository.as_deref(),
    )?;
    setup::install_packages(Path::new(DIAGRAMS))?;
    let mermaid = "node_modules/@mermaid-js/tiny/dist/mermaid.tiny.js";
    for (from, to) in [
        (PathBuf::from("book.toml"), book.join("book.toml")),
        (
            Path::new(DIAGRAMS).join("diagrams.js"),
            book.join("diagrams.js"),
        ),
        (
            Path::new(DIAGRAMS).join(mermaid),
            book.join(SOURCE).join("mermaid.tiny.js"),
        ),
    ] {
        fs::copy(&from, to).with_context(|| format!("cannot copy {}", from.display()))?;
    }
    let site = repository.target().join("site");
    let mut command = Command::new(mdbook(repository)?);
    command.arg("build").arg(&book).arg("--dest-dir").arg(&site);
    step::run("site", command)?;
    println!("{}", site.join("index.html").display());
    Ok(())
}

fn interface() -> Result<String> {
    let description = fs::read("src/openapi.json").context("src/openapi.json")?;
    openapi::page(&serde_json::from_slice(&description)?)
}

/// The mdBook of the system if it has the version, or one that is compiled once into the target directory.
fn mdbook(repository: &Repository) -> Result<PathBuf> {
    let tools = repository.target().join("tools");
    for program in [PathBuf::from("mdbook"), tools.join("bin/mdbook")] {
        let output = Command::new(&program).arg("--version").output();
        let version = output.map_or_else(
            |_| String::new(),
            |output| String::from_utf8_lossy(&output.stdout).into_owned(),
        );
        if version.trim().ends_with(MDBOOK) {
            return Ok(program);
        }
    }
    let mut command = repository.cargo();
    command
        .args(["install", "mdbook", "--version", MDBOOK, "--locked"])
        .args(["--no-default-features", "--features=search", "--root"])
        .arg(&tools);
    step::run("mdbook", command)?;
    Ok(tools.join("bin/mdbook"))
}

/// Copies a directory, with the links of its pages as the site needs them.
fn copy(from: &Path, to: &Path, published: Option<&str>) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("cannot create {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let path = entry?.path();
        let copied = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            copy(&path, &copied, published)?;
        } else if path.extension().is_some_and(|extension| extension == "md") {
            let text = fs::read_to_string(&path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            fs::write(&copied, linked(&text, from, published)).context("the copy of a page")?;
        } else {
            fs::copy(&path, &copied).with_context(|| format!("cannot copy {}", path.display()))?;
        }
    }
    Ok(())
}

/// The text of a page in `directory`, of which each link that leaves [`SOURCE`] leads to the published repository, or
/// is its text alone.
pub(crate) fn linked(text: &str, directory: &Path, published: Option<&str>) -> String {
    let mut result = String::new();
    let mut rest = text;
    while let Some(middle) = rest.find("](../") {
        let (before, link) = rest.split_at(middle);
        let Some((target, after)) = link[2..].split_once(')') else {
            break;
        };
        let path = normal(&directory.join(target));
        if path.starts_with(SOURCE) {
            result.push_str(&format!("{before}]({target})"));
        } else if let Some(published) = published {
            let published = published.trim_end_matches('/');
            result.push_str(&format!("{before}]({published}/{})", path.display()));
        } else {
            let (before, label) = before.rsplit_once('[').unwrap_or((before, ""));
            result.push_str(&format!("{before}{label}"));
        }
        rest = after;
    }
    result.push_str(rest);
    result
}

/// The path without its `..`.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        if component == Component::ParentDir {
            normal.pop();
        } else {
            normal.push(component);
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_out_of_the_pages_leads_to_the_repository_or_is_text() {
        let text = "See [a](../../examples/a.sh), [b](../b.md#c) and `[1]`, [d](../../README.md).";
        let directory = Path::new("docs/guides");
        assert_eq!(
            linked(text, directory, Some("https://example.org/main/")),
            "See [a](https://example.org/main/examples/a.sh), [b](../b.md#c) and `[1]`, [d](https://example.org/main/README.md)."
        );
        assert_eq!(
            linked(text, directory, None),
            "See a, [b](../b.md#c) and `[1]`, d."
        );
    }

    #[test]
    fn the_page_of_the_interface_is_made_of_its_description() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let description = fs::read(root.join("src/openapi.json")).unwrap();
        let page = openapi::page(&serde_json::from_slice(&description).unwrap()).unwrap();
        let kept = fs::read_to_string(root.join(INTERFACE)).unwrap();
        assert!(
            page == kept,
            "{INTERFACE} is not what src/openapi.json says: run `cargo xtask docs`"
        );
    }
}

//! `cargo xtask dist`: what runs and deploys without Rust, as one archive; and the command `tagpost`.
//!
//! The archive has one folder: the built Worker with its pages, the migrations, the documentation, and the files of
//! `archive/`. The same sources and compiler make the same bytes: names are sorted, and times and owners are left out.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, EntryType, Header};

use crate::console::files;
use crate::repository::Repository;
use crate::{binaries, docs, paths, setup, size, worker};

/// The version of everything that is packed.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The files that are only in the archive.
const SOURCES: &str = "archive";
/// What of them is not packed: what the type checker reads, the README of the command, and what running in place leaves
/// behind.
const LEFT_OUT: [&str; 6] = [
    "tsconfig.json",
    "command.md",
    "node_modules",
    ".tagpost",
    ".wrangler",
    ".dev.vars",
];

/// What comes from elsewhere in the repository, with the name it has in the archive.
const COPIED: [(&str, &str); 4] = [
    ("LICENSE", "LICENSE"),
    ("migrations", "migrations"),
    ("build", "build"),
    ("examples/listen.mjs", "examples/listen.mjs"),
];

/// The pages that are not packed: those for who works on the source, and the site's table of contents.
const UNPACKED_PAGES: [&str; 2] = ["docs/decisions", "docs/SUMMARY.md"];

/// The configuration, in which the build from source becomes the migration of the database.
const CONFIGURATION: &str = "wrangler.toml";
const BUILD: &str = "command = \"cargo xtask build\"";
const MIGRATION: &str = "command = \"node migrate.mjs\"";

/// What to pack.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The directory that gets the result
    #[arg(long, value_name = "DIR", default_value = "dist")]
    out: PathBuf,
    /// Leave out the command `tagpost`
    #[arg(long)]
    no_binaries: bool,
}

/// Builds and packs it.
pub(crate) fn run(repository: &Repository, options: &Options) -> Result<()> {
    setup::run(repository)?;
    let built = worker::Options::default();
    worker::build(repository, &built)?;
    size::check(&worker::wasm(&built))?;
    paths::check(&worker::wasm(&built))?;

    let out = repository.caller.join(&options.out);
    fs::create_dir_all(&out).with_context(|| format!("cannot create {}", out.display()))?;
    let folder = format!("tagpost-{VERSION}");
    let path = out.join(format!("{folder}.tar.gz"));
    let contents = contents()?;
    check_version(&contents)?;
    write(&path, &folder, &contents).with_context(|| format!("cannot write {}", path.display()))?;
    println!("{}", repository.relative(&path).display());
    if options.no_binaries {
        return Ok(());
    }
    binaries::build(repository, &out)
}

/// Everything in the archive's folder, by name.
fn contents() -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut contents = BTreeMap::new();
    let mut add = |from: &Path, to: PathBuf| -> Result<()> {
        let content = fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
        contents.insert(to, content);
        Ok(())
    };
    for file in files(Path::new(SOURCES))? {
        let name = file.strip_prefix(SOURCES)?;
        if !LEFT_OUT.iter().any(|part| name.starts_with(part)) {
            add(&file, name.to_owned())?;
        }
    }
    for (from, to) in COPIED {
        if Path::new(from).is_dir() {
            for file in files(Path::new(from))? {
                add(&file, Path::new(to).join(file.strip_prefix(from)?))?;
            }
        } else {
            add(Path::new(from), to.into())?;
        }
    }
    for page in files(Path::new(docs::SOURCE))? {
        let is_page = page.extension().is_some_and(|extension| extension == "md");
        if is_page && !UNPACKED_PAGES.iter().any(|part| page.starts_with(part)) {
            let text = fs::read_to_string(&page)
                .with_context(|| format!("cannot read {}", page.display()))?;
            let directory = page.parent().context("a page has a directory")?;
            let text = docs::linked(&text, directory, None);
            contents.insert(page, text.into_bytes());
        }
    }
    let configuration = fs::read_to_string(CONFIGURATION).context("cannot read wrangler.toml")?;
    contents.insert(
        CONFIGURATION.into(),
        without_rust(&configuration)?.into_bytes(),
    );
    Ok(contents)
}

/// The configuration for a folder that has the built Worker.
fn without_rust(configuration: &str) -> Result<String> {
    if configuration.matches(BUILD).count() != 1 {
        bail!("{CONFIGURATION} has to have the line {BUILD}, once");
    }
    Ok(configuration.replace(BUILD, MIGRATION))
}

/// Refuses an archive whose files disagree about the version.
fn check_version(contents: &BTreeMap<PathBuf, Vec<u8>>) -> Result<()> {
    #[derive(serde::Deserialize)]
    struct Package {
        version: String,
    }
    for name in ["package.json", "package-lock.json"] {
        let content = contents.get(Path::new(name)).map_or(&[][..], Vec::as_slice);
        let package: Package =
            serde_json::from_slice(content).with_context(|| format!("{SOURCES}/{name}"))?;
        if package.version != VERSION {
            bail!(
                "{SOURCES}/{name} has the version {}, Cargo.toml has {VERSION}",
                package.version
            );
        }
    }
    Ok(())
}

/// Writes an archive with one folder. The file `tagpost` in it may be executed.
pub(crate) fn write(
    path: &Path,
    folder: &str,
    contents: &BTreeMap<PathBuf, Vec<u8>>,
) -> Result<()> {
    let file = BufWriter::new(File::create(path)?);
    let mut archive = Builder::new(GzEncoder::new(file, Compression::best()));
    for (name, content) in contents {
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::Regular);
        header.set_size(u64::try_from(content.len())?);
        let is_program = name == Path::new("tagpost");
        header.set_mode(if is_program { 0o755 } else { 0o644 });
        header.set_mtime(0);
        archive.append_data(
            &mut header,
            Path::new(folder).join(name),
            content.as_slice(),
        )?;
    }
    archive.into_inner()?.finish()?.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_contents_make_the_same_archive() {
        let directory = tempfile::tempdir().unwrap();
        let contents = BTreeMap::from([("b/c".into(), b"two".to_vec()), ("a".into(), vec![1])]);
        let archives = ["one", "two"].map(|name| {
            let path = directory.path().join(name);
            write(&path, "folder", &contents).unwrap();
            fs::read(path).unwrap()
        });
        assert_eq!(archives[0], archives[1]);
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(&archives[0][..]));
        let names: Vec<_> = archive
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().into_owned())
            .collect();
        assert_eq!(names, [Path::new("folder/a"), Path::new("folder/b/c")]);
    }

    #[test]
    fn the_configuration_runs_no_cargo() {
        let text = without_rust(include_str!("../../wrangler.toml")).unwrap();
        assert!(text.contains("\n[build]\ncommand = \"node migrate.mjs\"\n"));
        let commands: Vec<&str> = text
            .lines()
            .filter(|line| !line.starts_with('#') && line.contains("cargo"))
            .collect();
        assert!(commands.is_empty(), "{commands:?}");
        assert!(without_rust("[build]").is_err());
    }

    #[test]
    fn a_version_that_disagrees_is_named() {
        let package = |version: &str| format!("{{\"version\":\"{version}\"}}").into_bytes();
        let mut contents = BTreeMap::from([
            ("package.json".into(), package(VERSION)),
            ("package-lock.json".into(), package("0.0.1")),
        ]);
        let error = check_version(&contents).unwrap_err().to_string();
        assert!(
            error.starts_with("archive/package-lock.json has the version 0.0.1, "),
            "{error}"
        );
        contents.insert("package-lock.json".into(), package(VERSION));
        check_version(&contents).unwrap();
    }
}

//! The console as it is served: the page of `console/`, and the libraries that it uses; and the phone's page.
//!
//! A plain copy, but for the phone's page, into the directory that wrangler.toml names. Files that are current are left
//! alone, since a relay may be serving them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::phone;
use crate::repository::Repository;

/// Where each part comes from, and where it goes.
const PARTS: [(&str, &str); 2] = [("console", ""), ("clients/js/src", "tagpost")];

/// Single files of npm packages, in the same way. A licence goes with its file.
const FILES: [(&str, &str); 2] = [
    ("node_modules/lean-qr/nano.mjs", "lean-qr/nano.js"),
    ("node_modules/lean-qr/LICENSE", "lean-qr/LICENSE.txt"),
];

/// The directory of the page within that of the built Worker.
const DIRECTORY: &str = "console";

/// Makes the pages in `out` what their sources are.
pub(crate) fn build(repository: &Repository, out: &Path) -> Result<()> {
    let out = out.join(DIRECTORY);
    let mut wanted = BTreeMap::new();
    for (from, to) in PARTS {
        for file in files(Path::new(from))? {
            if file.starts_with(phone::SOURCES) {
                continue;
            }
            let name = Path::new(to).join(file.strip_prefix(from)?);
            wanted.insert(out.join(name), read(&file)?);
        }
    }
    for (from, to) in FILES {
        wanted.insert(out.join(to), read(Path::new(from))?);
    }
    for (name, content) in phone::build(repository)? {
        wanted.insert(out.join(phone::DIRECTORY).join(name), content);
    }
    for (copy, content) in &wanted {
        replace(copy, content).with_context(|| format!("cannot write {}", copy.display()))?;
    }
    if out.exists() {
        for file in files(&out)? {
            if !wanted.contains_key(&file) {
                fs::remove_file(&file)
                    .with_context(|| format!("cannot remove {}", file.display()))?;
            }
        }
    }
    Ok(())
}

fn read(source: &Path) -> Result<Vec<u8>> {
    fs::read(source).with_context(|| format!("cannot read {}", source.display()))
}

fn replace(copy: &Path, content: &[u8]) -> Result<()> {
    if fs::read(copy).is_ok_and(|current| current == content) {
        return Ok(());
    }
    if let Some(directory) = copy.parent() {
        fs::create_dir_all(directory)?;
    }
    Ok(fs::write(copy, content)?)
}

/// All files below `directory`.
pub(crate) fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries =
        fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?;
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.extend(files(&entry.path())?);
        } else {
            found.push(entry.path());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_is_replaced_and_what_is_current_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let copy = directory.path().join("deep/copy.js");
        replace(&copy, b"one").unwrap();
        let written = fs::metadata(&copy).unwrap().modified().unwrap();
        replace(&copy, b"one").unwrap();
        assert_eq!(fs::metadata(&copy).unwrap().modified().unwrap(), written);
        replace(&copy, b"two").unwrap();
        assert_eq!(fs::read_to_string(&copy).unwrap(), "two");
    }

    #[test]
    fn files_are_found_at_any_depth() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir_all(directory.path().join("a/b")).unwrap();
        for name in ["one", "a/two", "a/b/three"] {
            fs::write(directory.path().join(name), "").unwrap();
        }
        assert_eq!(files(directory.path()).unwrap().len(), 3);
    }
}

//! Whether something has to be built again: a hash of its inputs, stored next to it.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

/// Where a product keeps the hash of its inputs.
pub(crate) struct Fingerprint {
    path: PathBuf,
    inputs: String,
}

impl Fingerprint {
    /// The fingerprint of what is made from the files `inputs` and kept in `directory`.
    pub(crate) fn new(directory: &Path, inputs: &[&Path]) -> Result<Self> {
        Ok(Self {
            path: directory.join(".fingerprint"),
            inputs: hash(inputs)?,
        })
    }

    /// Whether the product was made from just these inputs.
    pub(crate) fn is_current(&self) -> bool {
        fs::read_to_string(&self.path).is_ok_and(|made_from| made_from == self.inputs)
    }

    /// Says that the product is about to change: if that breaks off, it is not current.
    pub(crate) fn forget(&self) -> Result<()> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot remove {}", self.path.display()))
            }
            _ => Ok(()),
        }
    }

    /// Says that the product has been made from these inputs.
    pub(crate) fn keep(&self) -> Result<()> {
        fs::write(&self.path, &self.inputs)
            .with_context(|| format!("cannot write {}", self.path.display()))
    }
}

/// A hash over the names and contents of `files`, in this order.
fn hash(files: &[&Path]) -> Result<String> {
    let mut hasher = Sha256::new();
    for file in files {
        let content = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        hasher.update(file.as_os_str().as_encoded_bytes());
        hasher.update((content.len() as u64).to_be_bytes());
        hasher.update(content);
    }
    let mut hex = String::new();
    for byte in hasher.finalize() {
        write!(hex, "{byte:02x}")?;
    }
    Ok(hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_is_current_until_an_input_changes_or_it_is_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        let input = directory.path().join("input");
        fs::write(&input, "one").unwrap();
        let fingerprint = || Fingerprint::new(directory.path(), &[&input]).unwrap();

        assert!(!fingerprint().is_current(), "current before it was made");
        fingerprint().keep().unwrap();
        assert!(fingerprint().is_current());

        fs::write(&input, "two").unwrap();
        assert!(
            !fingerprint().is_current(),
            "current though its input changed"
        );
        fs::write(&input, "one").unwrap();
        assert!(fingerprint().is_current());

        fingerprint().forget().unwrap();
        fingerprint().forget().unwrap();
        assert!(
            !fingerprint().is_current(),
            "current though it was forgotten"
        );
    }

    #[test]
    fn an_input_that_is_missing_is_named() {
        let error = Fingerprint::new(Path::new("."), &[Path::new("no-such-file")])
            .err()
            .unwrap();
        assert_eq!(error.to_string(), "cannot read no-such-file");
    }
}

//! The files that are compared with.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// Compares what is written now with the files of this kind, which must be exactly these.
pub(super) fn check(kind: &str, vectors: &[(&str, String)]) {
    for (name, written) in vectors {
        compare(&folder().join(kind).join(format!("{name}.json")), written);
    }
    let written = vectors.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(
        names(kind),
        written,
        "files of {kind} (left), vectors (right)"
    );
}

pub(super) fn compare(path: &Path, written: &str) {
    let written = format!("{written}\n");
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, &written).unwrap();
    }
    let kept = fs::read_to_string(path).unwrap_or_default();
    assert_eq!(
        written,
        kept,
        "written now (left), kept in {} (right)",
        path.display()
    );
}

/// The names, without `.json`, of the files of one kind.
pub(super) fn names(kind: &str) -> BTreeSet<String> {
    let name = |path: PathBuf| {
        path.file_name()?
            .to_str()?
            .strip_suffix(".json")
            .map(str::to_owned)
    };
    fs::read_dir(folder().join(kind))
        .unwrap()
        .map(|entry| name(entry.unwrap().path()).expect("every file there is a .json"))
        .collect()
}

pub(super) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

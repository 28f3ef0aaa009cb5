//! The checks of the Python library: its types, and its tests against the built Worker.
//!
//! They run in an environment of their own, with the packages of `requirements.txt`. Where there is no Python for that,
//! they are left out, but not in CI.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Result;

use crate::counts::{self, one_check};
use crate::fingerprint::Fingerprint;
use crate::part::Run;
use crate::repository::Repository;
use crate::step;

const LIBRARY: &str = "clients/python";

/// Whether this is a Python that the library supports, with what makes an environment.
const PROBE: &str = "import ensurepip, sys; sys.exit(sys.version_info < (3, 10))";
const INSTALL: &str = "install Python 3.10 or newer: `apt-get install python3 python3-venv`";

/// How many processes the tests are divided among: they mostly wait.
const PROCESSES: &str = "--numprocesses=3";

/// Checks the types of the library and its tests, and runs those with these words in their names.
pub(crate) fn check(repository: &Repository, run: &mut Run, words: &[String]) -> Result<()> {
    let Some(python) = environment(repository, run)? else {
        return Ok(());
    };
    let types = module(&python, "mypy");
    run.step("types of clients/python", types, one_check)?;
    let mut pytest = module(&python, "pytest");
    pytest.args(["--quiet", PROCESSES, "--dist=loadgroup"]);
    if !words.is_empty() {
        pytest.args(["-k", &words.join(" and ")]);
    }
    run.step("tests of clients/python", pytest, counts::pytest)
}

/// A run of a module of Python in the library's directory.
fn module(python: &Path, name: &str) -> Command {
    let mut command = Command::new(python);
    command.args(["-m", name]).current_dir(LIBRARY);
    command
}

/// The Python of the environment, which is made anew when the packages change.
fn environment(repository: &Repository, run: &mut Run) -> Result<Option<PathBuf>> {
    let mut probe = Command::new("python3");
    probe
        .args(["-c", PROBE])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if !probe.status().is_ok_and(|status| status.success()) {
        run.skip(&format!("there is no Python for {LIBRARY}: {INSTALL}"))?;
        return Ok(None);
    }
    let _lock = repository.lock()?;
    let directory = repository.target().join("python-library");
    let python = directory.join("bin/python");
    let requirements = Path::new(LIBRARY).join("requirements.txt");
    let fingerprint = Fingerprint::new(&directory, &[&requirements])?;
    if fingerprint.is_current() {
        return Ok(Some(python));
    }
    fingerprint.forget()?;
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv", "--clear"]).arg(&directory);
    step::run("Python environment", venv)?;
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--requirement"])
        .arg(&requirements)
        .arg("--disable-pip-version-check");
    step::run("Python packages", pip)?;
    fingerprint.keep()?;
    Ok(Some(python))
}

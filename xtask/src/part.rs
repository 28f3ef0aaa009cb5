//! A part of the whole check: its steps, what they counted, and where their output is.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::counts::Counts;
use crate::repository::Repository;
use crate::step;

/// A part that is being run.
pub(crate) struct Run {
    counts: Counts,
    /// The directory that gets the output of each step.
    logs: PathBuf,
}

impl Run {
    pub(crate) fn new(repository: &Repository) -> Self {
        Self {
            counts: Counts::default(),
            logs: repository.target().join("test-output"),
        }
    }

    /// Runs a step, keeps its output, and counts what `read` finds in it.
    ///
    /// # Errors
    /// A step that does not succeed, with the file of its output.
    pub(crate) fn step(
        &mut self,
        name: &str,
        command: Command,
        read: impl Fn(&str) -> Counts,
    ) -> Result<()> {
        let ended = step::finish(name, command)?;
        let log = self
            .logs
            .join(format!("{}.log", name.replace([' ', '/'], "-")));
        let write = || {
            fs::create_dir_all(&self.logs)?;
            fs::write(&log, &ended.output)
        };
        write().with_context(|| format!("cannot write {}", log.display()))?;
        let counts = read(&ended.output);
        let Some(failure) = ended.failure else {
            self.counts += counts;
            return Ok(());
        };
        // A check that is only one, or a test runner that did not get to its tests.
        self.counts += if counts.failed == 0 {
            Counts {
                failed: 1,
                ..Counts::default()
            }
        } else {
            counts
        };
        bail!("{failure}; its output is above, and in {}", log.display());
    }

    /// Whether a tool is there, by a command that asks for its version. If not, its check counts as skipped.
    ///
    /// # Errors
    /// A tool that is not there, with `advice`, where nothing may be skipped.
    pub(crate) fn has(&mut self, mut version: Command, advice: &str) -> Result<bool> {
        version.stdout(Stdio::null()).stderr(Stdio::null());
        if version.status().is_ok_and(|status| status.success()) {
            return Ok(true);
        }
        let name: Vec<_> = version
            .get_args()
            .take(1)
            .map(|name| name.to_string_lossy())
            .collect();
        self.skip(&format!("cargo {} is not there: {advice}", name.join(" ")))?;
        Ok(false)
    }

    /// Counts a check as skipped, for what is `missing`.
    ///
    /// # Errors
    /// Where nothing may be skipped.
    pub(crate) fn skip(&mut self, missing: &str) -> Result<()> {
        if env::var_os("CI").is_some() {
            bail!("{missing}");
        }
        eprintln!("skipped: {missing}");
        self.counts.skipped += 1;
        Ok(())
    }

    /// What was counted. A part that failed outside of its steps has one failure.
    pub(crate) fn counts(self, has_failed: bool) -> Counts {
        let mut counts = self.counts;
        if has_failed && counts.failed == 0 {
            counts.failed = 1;
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counts::{cargo_tests, one_check};

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    fn run(logs: PathBuf) -> Run {
        Run {
            counts: Counts::default(),
            logs,
        }
    }

    #[test]
    fn a_failure_is_counted_once_and_says_where_its_output_is() {
        let directory = tempfile::tempdir().unwrap();
        let mut run = run(directory.path().to_owned());
        run.step("one check", shell("true"), one_check).unwrap();
        let error = run
            .step("types of a/b", shell("echo why; exit 2"), one_check)
            .unwrap_err()
            .to_string();
        let log = directory.path().join("types-of-a-b.log");
        assert!(
            error.ends_with(&format!("and in {}", log.display())),
            "{error}"
        );
        assert_eq!(fs::read_to_string(log).unwrap(), "why\n");
        assert_eq!(
            run.counts(true).to_string(),
            "1 passed, 1 failed, 0 skipped"
        );
    }

    #[test]
    fn the_failures_that_a_runner_counted_are_the_counts() {
        let directory = tempfile::tempdir().unwrap();
        let mut run = run(directory.path().to_owned());
        let script = "echo 'test result: FAILED. 5 passed; 2 failed; 1 ignored'; exit 1";
        run.step("tests", shell(script), cargo_tests).unwrap_err();
        assert_eq!(
            run.counts(true).to_string(),
            "5 passed, 2 failed, 1 skipped"
        );
    }

    #[test]
    fn a_part_that_fails_before_its_first_step_has_a_failure() {
        let counts = run(PathBuf::new()).counts(true);
        assert_eq!(counts.to_string(), "0 passed, 1 failed, 0 skipped");
    }
}

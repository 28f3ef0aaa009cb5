//! One step of a chore: a command that runs behind a line of progress.
//!
//! Its output is shown when it fails, whole, and not at all otherwise.

use std::io::{self, BufRead, BufReader, PipeReader};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};

use crate::interrupt::Group;

/// Runs `command` to its end.
///
/// # Errors
/// When it cannot be started or does not succeed; its output has been printed then.
pub(crate) fn run(name: &str, command: Command) -> Result<()> {
    match finish(name, command)?.failure {
        Some(failure) => bail!(failure),
        None => Ok(()),
    }
}

/// How a step ended.
pub(crate) struct Ended {
    /// What the command printed.
    pub(crate) output: String,
    /// What went wrong, if it did not succeed.
    pub(crate) failure: Option<String>,
}

/// As [`run`]; a command that does not succeed is no error.
///
/// # Errors
/// When it cannot be started.
pub(crate) fn finish(name: &str, mut command: Command) -> Result<Ended> {
    let started = Instant::now();
    let line = ProgressBar::new_spinner()
        .with_style(style())
        .with_prefix(name.to_owned());
    if line.is_hidden() {
        eprintln!("{name} ...");
    }
    line.enable_steady_tick(Duration::from_millis(100));

    let (reader, writer) = io::pipe()?;
    command
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer);
    let program = command.get_program().to_owned();
    let mut group =
        Group::spawn(&mut command).with_context(|| format!("cannot run {}", program.display()))?;
    // It holds the pipe's other end, which has to be closed for the output to end.
    drop(command);
    let output = thread::spawn({
        let line = line.clone();
        move || follow(reader, &line)
    });
    let status = group.wait()?;
    drop(group);
    let output = output.join().unwrap_or_default();
    line.finish_and_clear();

    let seconds = started.elapsed().as_secs_f32();
    let failure = if status.success() {
        eprintln!("{name:<SHORTEST$} {seconds:>6.1} s");
        None
    } else {
        eprintln!("{}", output.trim_end());
        Some(format!(
            "{name}: {} ended with {status} after {seconds:.1} s",
            program.display()
        ))
    };
    Ok(Ended { output, failure })
}

/// The width of names, so that the seconds of all steps are in one column.
const SHORTEST: usize = 32;

/// Collects the output, and shows its last line as the progress.
fn follow(reader: PipeReader, line: &ProgressBar) -> String {
    let mut output = String::new();
    let mut bytes = Vec::new();
    let mut reader = BufReader::new(reader);
    while reader
        .read_until(b'\n', &mut bytes)
        .is_ok_and(|read| read > 0)
    {
        let text = String::from_utf8_lossy(&bytes);
        line.set_message(text.trim().to_owned());
        output.push_str(&text);
        bytes.clear();
    }
    output
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{spinner} {prefix} {elapsed} {wide_msg:.dim}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_command_fails_its_step_and_is_named() {
        let mut command = Command::new("sh");
        command.args(["-c", "exit 3"]);
        let error = run("a step", command).unwrap_err().to_string();
        assert!(
            error.starts_with("a step: sh ended with exit status: 3"),
            "{error}"
        );
    }

    #[test]
    fn a_command_that_is_not_there_is_named() {
        let error = run("a step", Command::new("no-such-command"))
            .unwrap_err()
            .to_string();
        assert_eq!(error, "cannot run no-such-command");
    }

    #[test]
    fn a_step_ends_though_a_grandchild_keeps_its_output_open() {
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 600 &"]);
        let started = Instant::now();
        run("a step", command).unwrap();
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "took {:?}",
            started.elapsed()
        );
    }
}

//! A wrong command line: told as clap tells it, or as a problem document if JSON was asked for. The exit code is 2.

use std::env;
use std::process::exit;

use clap::Error;

use crate::advice::Failure;

/// Ends the command. Help and the version are no failures, and go to standard output as they are.
pub(crate) fn end(error: &Error) -> ! {
    // What was asked for cannot be known for certain, since the arguments could not be read.
    let json = env::args_os().any(|argument| argument == "--json");
    if !json || !error.use_stderr() {
        error.exit()
    }
    let told = first_paragraph(&error.render().to_string());
    Failure::of_kind("usage", told)
        .advise("--help has examples.")
        .tell(true);
    exit(error.exit_code())
}

/// `error: a, b` of a text in which usage and hints follow after an empty line.
fn first_paragraph(text: &str) -> String {
    let lines = text.lines().map(str::trim);
    let lines: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
    let told = lines.join(" ");
    told.strip_prefix("error: ").unwrap_or(&told).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_command_line_is_told_in_one_line() {
        let text = "error: these are missing:\n  <TARGET>\n\nUsage: tagpost send\n";
        assert_eq!(first_paragraph(text), "these are missing: <TARGET>");
        assert_eq!(first_paragraph(""), "");
    }
}

//! How many checks passed, failed and were skipped, read from what a test runner printed.

use std::fmt;
use std::ops::AddAssign;

/// The counts of a part.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u32,
    pub(crate) failed: u32,
    pub(crate) skipped: u32,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            passed,
            failed,
            skipped,
        } = self;
        write!(out, "{passed} passed, {failed} failed, {skipped} skipped")
    }
}

/// A command that is one check, whatever it prints: it passed, unless it is said to have failed.
pub(crate) fn one_check(_output: &str) -> Counts {
    Counts {
        passed: 1,
        ..Counts::default()
    }
}

/// `cargo test`: a line for each program that it ran.
pub(crate) fn cargo_tests(output: &str) -> Counts {
    let mut all = Counts::default();
    for line in output.lines() {
        if let Some((_, counts)) = line.split_once("test result: ") {
            all += Counts {
                passed: before(counts, " passed"),
                failed: before(counts, " failed"),
                skipped: before(counts, " ignored"),
            };
        }
    }
    all
}

/// vitest: one line for all files, with colours or without.
pub(crate) fn vitest(output: &str) -> Counts {
    let plain = without_colours(output);
    let line = plain
        .lines()
        .rev()
        .find_map(|line| line.trim_start().strip_prefix("Tests "));
    line.map_or_else(Counts::default, |counts| Counts {
        passed: before(counts, " passed"),
        failed: before(counts, " failed"),
        skipped: before(counts, " skipped") + before(counts, " todo"),
    })
}

/// pytest: one line at the end, with colours or without.
pub(crate) fn pytest(output: &str) -> Counts {
    let plain = without_colours(output);
    let is_last = |line: &&str| line.contains(" passed") || line.contains(" failed");
    let line = plain.lines().rev().find(is_last);
    line.map_or_else(Counts::default, |counts| Counts {
        passed: before(counts, " passed"),
        failed: before(counts, " failed"),
        skipped: before(counts, " skipped"),
    })
}

/// The number that stands before `word`; 0 if there is none.
fn before(text: &str, word: &str) -> u32 {
    let number = text
        .split_once(word)
        .and_then(|(head, _)| head.rsplit(' ').next());
    number
        .and_then(|number| number.parse().ok())
        .unwrap_or_default()
}

/// Leaves out the sequences `ESC [ ... m` that colour a terminal's text.
fn without_colours(text: &str) -> String {
    let mut plain = String::new();
    for (index, piece) in text.split("\u{1b}[").enumerate() {
        let rest = match piece.split_once('m') {
            Some((_, rest)) if index > 0 => rest,
            _ => piece,
        };
        plain.push_str(rest);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(passed: u32, failed: u32, skipped: u32) -> Counts {
        Counts {
            passed,
            failed,
            skipped,
        }
    }

    #[test]
    fn the_programs_of_cargo_test_are_added_up() {
        let output = "running 3 tests\ntest result: ok. 12 passed; 0 failed; 2 ignored; 0 measured; 7 filtered out; \
                      finished in 0.01s\n\ntest result: FAILED. 1 passed; 3 failed; 0 ignored; 0 measured\n";
        assert_eq!(cargo_tests(output), counts(13, 3, 2));
        assert_eq!(cargo_tests("error: could not compile"), counts(0, 0, 0));
    }

    #[test]
    fn pytests_last_line_is_read() {
        let output = "..F.s\nFAILED tests/test_sync.py::test_a - it failed\n1 failed, 83 passed, 2 skipped in 70.1s\n";
        assert_eq!(pytest(output), counts(83, 1, 2));
        assert_eq!(pytest("85 passed in 378.20s (0:06:18)"), counts(85, 0, 0));
        assert_eq!(pytest("no tests ran"), counts(0, 0, 0));
    }

    #[test]
    fn vitests_line_is_read_with_its_colours() {
        let output = "\u{1b}[2m Test Files \u{1b}[22m \u{1b}[1m\u{1b}[31m1 failed\u{1b}[39m\u{1b}[22m (1)\n\
                      \u{1b}[2m      Tests \u{1b}[22m \u{1b}[31m7 failed\u{1b}[39m | \u{1b}[32m2 passed\u{1b}[39m | 4 skipped (13)\n";
        assert_eq!(vitest(output), counts(2, 7, 4));
        assert_eq!(vitest("      Tests  240 passed (240)\n"), counts(240, 0, 0));
        assert_eq!(vitest("No test files found"), counts(0, 0, 0));
    }

    #[test]
    fn a_part_is_one_line() {
        assert_eq!(counts(3, 0, 1).to_string(), "3 passed, 0 failed, 1 skipped");
    }
}

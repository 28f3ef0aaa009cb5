//! docs/performance.md: the tables between its markers, and the files next to it.

use std::fs;

use anyhow::{Context, Result, anyhow};

use crate::results::Results;
use crate::{costs, plot, table};

const DOCUMENT: &str = "docs/performance.md";
const PLOT: &str = "docs/performance.svg";
const RESULTS: &str = "docs/performance.json";

/// Writes what a whole run showed.
pub(crate) fn write(results: &Results) -> Result<()> {
    let notes = results.notes().iter().map(|note| format!("- {note}\n"));
    let notes: String = notes.collect();
    replace("figures", &format!("{}\n{notes}", table::text(results)))?;
    fs::write(PLOT, plot::svg(results)).with_context(|| format!("cannot write {PLOT}"))?;
    let json = serde_json::to_string_pretty(results)?;
    fs::write(RESULTS, json + "\n").with_context(|| format!("cannot write {RESULTS}"))
}

/// Writes the prices of the counts that are asserted.
pub(crate) fn write_costs() -> Result<()> {
    replace("costs", &costs::table()?)
}

fn replace(section: &str, text: &str) -> Result<()> {
    let document =
        fs::read_to_string(DOCUMENT).with_context(|| format!("cannot read {DOCUMENT}"))?;
    let document = between_marks(&document, section, text)
        .ok_or_else(|| anyhow!("{DOCUMENT} has no marks of {section}"))?;
    fs::write(DOCUMENT, document).with_context(|| format!("cannot write {DOCUMENT}"))
}

/// The document with another text between the two marks of a section.
fn between_marks(document: &str, section: &str, text: &str) -> Option<String> {
    let (before, rest) = document.split_once(&format!("<!-- {section} -->\n"))?;
    let end = format!("<!-- end of {section} -->");
    let (_, after) = rest.split_once(&end)?;
    Some(format!(
        "{before}<!-- {section} -->\n\n{text}\n{end}{after}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_marks_is_replaced() {
        let document = "a\n<!-- x -->\nold\n<!-- end of x -->\nb\n";
        let once = between_marks(document, "x", "new\n").unwrap();
        assert_eq!(once, "a\n<!-- x -->\n\nnew\n\n<!-- end of x -->\nb\n");
        assert_eq!(between_marks(&once, "x", "new\n").unwrap(), once);
        assert_eq!(between_marks(document, "y", "new"), None);
    }
}

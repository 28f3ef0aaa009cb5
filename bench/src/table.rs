//! The table of a run, as Markdown.

use crate::figure::{System, Target};
use crate::results::{Results, Row};

/// The whole table, with a column for every system that has a figure.
pub(crate) fn text(results: &Results) -> String {
    let systems = System::ALL.into_iter().filter(|system| {
        let has = |row: &Row| row.median(*system).is_some();
        results.rows().iter().any(has)
    });
    let systems: Vec<System> = systems.collect();
    let mut head = vec![String::new(), "unit".to_owned()];
    head.extend(systems.iter().map(|system| system.name().to_owned()));
    let before = systems.contains(&System::Before);
    head.extend(before.then(|| "tagpost : before".to_owned()));
    head.extend(["tagpost : floor".to_owned(), "target".to_owned()]);
    let mut lines = vec![line(&head)];
    let rule = ["---", "---"].into_iter();
    let rule = rule.chain(head.iter().skip(2).map(|_| "---:"));
    lines.push(line(&rule.map(ToOwned::to_owned).collect::<Vec<_>>()));
    for row in results.rows() {
        let mut cells = vec![row.figure.what.to_owned(), row.figure.unit.to_owned()];
        let values = systems.iter().map(|system| row.median(*system));
        cells.extend(values.map(|value| value.map(number).unwrap_or_default()));
        let to = |system| row.ratio(system).map(ratio).unwrap_or_default();
        cells.extend(before.then(|| to(System::Before)));
        cells.push(to(System::Floor));
        cells.push(target(row));
        lines.push(line(&cells));
    }
    lines.push(String::new());
    lines.join("\n")
}

/// One line of a table.
pub(crate) fn line(cells: &[String]) -> String {
    format!("| {} |", cells.join(" | "))
}

/// The target, and whether it is reached.
fn target(row: &Row) -> String {
    let target = match row.figure.target {
        Target::None => return String::new(),
        Target::RatioAtLeast(least) => format!("ratio ≥ {least}"),
        Target::RatioAtMost(most) => format!("ratio ≤ {most}"),
        Target::AtLeast(least) => format!("≥ {}", number(least)),
        Target::AtMost(0.0) => "0".to_owned(),
        Target::AtMost(most) => format!("≤ {most}"),
    };
    match row.reached() {
        Some(true) => format!("{target}: reached"),
        Some(false) => format!("{target}: **missed**"),
        None => target,
    }
}

fn ratio(value: f64) -> String {
    format!("**{value:.2}**")
}

/// Three digits, thousands apart.
pub(crate) fn number(value: f64) -> String {
    let digits = match value.abs() {
        _ if value.fract() == 0.0 => 0,
        size if size < 10.0 => 2,
        size if size < 100.0 => 1,
        _ => 0,
    };
    let text = format!("{value:.digits$}");
    let (whole, rest) = text.split_once('.').unwrap_or((&text, ""));
    let mut apart = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            apart.push(',');
        }
        apart.push(digit);
    }
    if rest.is_empty() {
        apart
    } else {
        format!("{apart}.{rest}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_and_their_thousands_apart() {
        for (value, text) in [
            (0.0, "0"),
            (2.0, "2"),
            (0.123_4, "0.12"),
            (12.34, "12.3"),
            (123.4, "123"),
            (1234.5, "1,234"),
            (1_234_567.0, "1,234,567"),
        ] {
            assert_eq!(number(value), text);
        }
    }
}

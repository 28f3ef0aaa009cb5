//! What messages cost at list prices: the counts that `tests/costs.test.ts` asserts, times the prices.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::table::{line, number};

/// Where the counts stand.
const COUNTS: &str = "tests/costs.json";

/// USD for a million, beyond what the paid plan includes.
/// Source: Cloudflare's pricing of Workers, Durable Objects and D1, November 2026.
const WORKER_REQUESTS: f64 = 0.30;
const OBJECT_REQUESTS: f64 = 0.15;
const ROWS_WRITTEN: f64 = 1.00;
const ROWS_READ: f64 = 0.001;
/// So many incoming frames are billed as one request of an object.
const FRAMES_IN_A_REQUEST: f64 = 20.0;

/// Rows that are written until everything of a way is forgotten stand under its name with this added.
const FORGOTTEN: &str = ", forgotten";

/// So do those of a stream in which each message overwrites one that is to be forgotten, where they were
/// counted.
const IN_A_STREAM: &str = ", in a stream";

/// The ways in the order of the table.
const WAYS: [&str; 9] = [
    "online",
    "online, published over a WebSocket",
    "online, with an Idempotency-Key",
    "online, 64 in flight from one sender",
    "a tag of 100 devices, all online",
    "a tag of 150 devices, all online",
    "held, then delivered on the next connection, receipt seen",
    "held, then polled and acknowledged over HTTP, receipt seen",
    "held until it expires, receipt seen",
];

/// What one way took, all its messages together.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Counts {
    messages: f64,
    worker_requests: f64,
    object_requests: f64,
    frames_in: f64,
    rows_read: f64,
    rows_written: f64,
    alarms_set: f64,
    d1_rows_written: f64,
}

/// What others charge for a million confirmed messages of one sender to one device, by their price lists.
const OTHERS: [(&str, &str); 2] = [
    (
        "AWS IoT Core: publish, delivery, acknowledgement, no receipt to the sender",
        "3.00",
    ),
    (
        "Ably: publish and delivery, no receipt to the sender",
        "5.00",
    ),
];

/// The table as Markdown.
pub(crate) fn table() -> Result<String> {
    let text = fs::read_to_string(COUNTS).with_context(|| format!("cannot read {COUNTS}"))?;
    render(&text).context(COUNTS)
}

fn render(counts: &str) -> Result<String> {
    let counts: BTreeMap<String, Counts> = serde_json::from_str(counts)?;
    let head = [
        "a message",
        "Worker",
        "objects",
        "frames in",
        "rows written",
        "with clean-up",
        "… in a stream",
        "alarms set",
        "USD a million",
    ];
    let mut lines = vec![
        line(&head.map(ToOwned::to_owned)),
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |".to_owned(),
    ];
    for way in WAYS {
        let way_counts = counts
            .get(way)
            .with_context(|| format!("no counts of “{way}”"))?;
        let each = |count: f64| count / way_counts.messages;
        let rows = each(way_counts.rows_written + way_counts.d1_rows_written);
        let forgotten = counts
            .get(&format!("{way}{FORGOTTEN}"))
            .with_context(|| format!("no counts of “{way}{FORGOTTEN}”"))?;
        let with_clean_up = forgotten.rows_written / forgotten.messages;
        let in_a_stream = counts.get(&format!("{way}{IN_A_STREAM}"));
        let in_a_stream = in_a_stream.map(|counts| number(counts.rows_written / counts.messages));
        let requests =
            each(way_counts.object_requests) + each(way_counts.frames_in) / FRAMES_IN_A_REQUEST;
        let price = each(way_counts.worker_requests) * WORKER_REQUESTS
            + requests * OBJECT_REQUESTS
            + (with_clean_up + each(way_counts.alarms_set)) * ROWS_WRITTEN
            + each(way_counts.rows_read) * ROWS_READ;
        lines.push(line(&[
            way.to_owned(),
            number(each(way_counts.worker_requests)),
            number(each(way_counts.object_requests)),
            number(each(way_counts.frames_in)),
            number(rows),
            number(with_clean_up),
            in_a_stream.unwrap_or_default(),
            number(each(way_counts.alarms_set)),
            format!("**{price:.2}**"),
        ]));
    }
    for (other, price) in OTHERS {
        let mut cells = vec![other.to_owned()];
        cells.extend(std::iter::repeat_n(String::new(), head.len() - 2));
        cells.push(price.to_owned());
        lines.push(line(&cells));
    }
    lines.push(String::new());
    Ok(lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_prices_are_those_of_the_asserted_counts() {
        let table = render(include_str!("../../tests/costs.json")).unwrap();
        let document = include_str!("../../docs/performance.md");
        assert!(
            document.contains(&table),
            "`cargo xtask bench --only costs` writes into docs/performance.md:\n{table}"
        );
    }
}

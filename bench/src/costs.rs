//! What messages cost at list prices: the counts that `tests/costs.test.ts` asserts, times the prices.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::table::{line, number};

/// Where the counts are.
const COUNTS: &str = "tests/costs.json";

/// USD for a million, beyond what the paid plan includes.
/// Source: Cloudflare's pricing of Workers, Durable Objects and D1, November 2026.
const WORKER_REQUESTS: f64 = 0.30;
const OBJECT_REQUESTS: f64 = 0.15;
const ROWS_WRITTEN: f64 = 1.00;
const ROWS_READ: f64 = 0.001;
/// Incoming frames that are billed as one object request.
const FRAMES_IN_A_REQUEST: f64 = 20.0;

/// Rows that are written until everything of a way is forgotten have its name with this added.
const FORGOTTEN: &str = ", forgotten";

/// So do those of a stream in which each message overwrites one that is to be forgotten, where they were
/// counted.
const IN_A_STREAM: &str = ", in a stream";

/// What a message of a way costs when every alarm that the one before it set has gone off, and its own have
/// too, with the calls that they cause. Counted for the ways that set alarms.
const APART: &str = ", apart";

/// The ways in the order of the table.
const WAYS: [&str; 12] = [
    "online",
    "online, published over a WebSocket",
    "online, with an Idempotency-Key",
    "online, 64 in flight from one sender",
    "a tag of 100 devices, all online",
    "a tag of 150 devices, all online",
    "held, then delivered on the next connection, receipt seen",
    "held, then in progress, then acknowledged, receipt seen",
    "held, then polled and acknowledged over HTTP, receipt seen",
    "held until it expires, receipt seen",
    "scheduled, and delivered at its time, receipt seen",
    "to a device that is away, and by a step to one that acknowledges, receipts seen",
];

/// The ways that a push can go, listed after those of messages. A push leaves nothing behind for later: its row is
/// deleted when it is acknowledged, and its receipt along with the next ones.
const PUSHES: [&str; 5] = [
    "push, online",
    "push, online, receipt read",
    "push, held, then delivered on the next connection",
    "push, held, then delivered on the next connection, receipt read",
    "push with a Topic, held, then delivered on the next connection",
];

/// The ways of messages that knock, listed last. Their clean-up is that of any held message.
const KNOCKS: [&str; 3] = [
    "held, with a knock that is taken",
    "held, one more within 30 s of a knock",
    "held, with a knock that is taken, then polled",
];

/// What one way took, all its messages together.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Counts {
    messages: f64,
    worker_requests: f64,
    object_requests: f64,
    frames_in: f64,
    /// Not counted where it depends on how events interleave.
    rows_read: Option<f64>,
    rows_written: f64,
    alarms_set: f64,
    d1_rows_written: f64,
}

impl Counts {
    /// Of one message, like all that follows.
    fn each(&self, count: f64) -> f64 {
        count / self.messages
    }

    fn rows(&self) -> f64 {
        self.each(self.rows_written + self.d1_rows_written)
    }

    /// The line of the table; `clean_up` are the rows that are written when the message is forgotten, where they were
    /// counted.
    fn line(&self, name: &str, clean_up: Option<f64>, in_a_stream: String) -> String {
        let requests =
            self.each(self.object_requests) + self.each(self.frames_in) / FRAMES_IN_A_REQUEST;
        let price = self.each(self.worker_requests) * WORKER_REQUESTS
            + requests * OBJECT_REQUESTS
            + (self.rows() + clean_up.unwrap_or_default() + self.each(self.alarms_set))
                * ROWS_WRITTEN
            + self.each(self.rows_read.unwrap_or_default()) * ROWS_READ;
        line(&[
            name.to_owned(),
            number(self.each(self.worker_requests)),
            number(self.each(self.object_requests)),
            number(self.each(self.frames_in)),
            self.rows_read
                .map(|rows| number(self.each(rows)))
                .unwrap_or_default(),
            number(self.rows()),
            clean_up
                .map(|rows| number(self.rows() + rows))
                .unwrap_or_default(),
            in_a_stream,
            number(self.each(self.alarms_set)),
            format!("**{price:.2}**"),
        ])
    }
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
        "rows read",
        "rows written",
        "with clean-up",
        "… in a stream",
        "alarms set",
        "USD a million",
    ];
    let mut lines = vec![
        line(&head.map(ToOwned::to_owned)),
        format!("| --- |{}", " ---: |".repeat(head.len() - 1)),
    ];
    let of = |name: &str| {
        counts
            .get(name)
            .with_context(|| format!("no counts of “{name}”"))
    };
    let apart = |way: &str, clean_up| {
        let counts = counts.get(&format!("{way}{APART}"));
        counts.map(|it| it.line("… more than 30 s after the last", clean_up, String::new()))
    };
    for way in WAYS {
        let close = of(way)?;
        let rows = close.rows();
        let clean_up = Some(of(&format!("{way}{FORGOTTEN}"))?.rows() - rows);
        let in_a_stream = counts.get(&format!("{way}{IN_A_STREAM}"));
        let in_a_stream = in_a_stream.map(|counts| number(counts.rows()));
        lines.push(close.line(way, clean_up, in_a_stream.unwrap_or_default()));
        lines.extend(apart(way, clean_up));
    }
    for way in PUSHES {
        lines.push(of(way)?.line(way, Some(0.0), String::new()));
        lines.extend(apart(way, Some(0.0)));
    }
    for way in KNOCKS {
        lines.push(of(way)?.line(way, None, String::new()));
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

//! The failed deliveries in the directory: adding them, and reading them newest first.
//!
//! A mailbox may add a failure twice: the key is the delivery with the time of its end, so the second time changes
//! nothing, unless it says that the delivery was sent again. There is no index for the filters: a list reads at most
//! [`SCANNED`] rows, and goes on from there on its next page.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use tagpost_core::delivery::State;
use tagpost_core::failure::FailedDelivery;
use tagpost_core::id::{DeviceId, MessageId};
use tagpost_core::time::Millis;
use wasm_bindgen::JsValue;
use worker::{D1Database, Result};

use super::{batch, in_time, number, statement, text};
use crate::fault;

/// How many rows past their retention are deleted when others are added.
const DELETED: u32 = 200;

/// How many rows one page of a filtered list reads.
const SCANNED: u32 = 10_000;

/// How many failures an overview counts.
const COUNTED: u32 = 100_000;

const HOUR: Millis = 3_600_000;
const DAY: Millis = 24 * HOUR;

/// The failures are one parameter, because a statement takes no more than 100. Without a condition, SQLite would take
/// `ON CONFLICT` for a part of the join.
const INSERT: &str =
    "INSERT INTO failures (at, id, device, state, reason, sender, tag, resent_as)
    SELECT value ->> 'at', value ->> 'id', value ->> 'device', value ->> 'state', value ->> 'reason',
        value ->> 'sender', value ->> 'tag', value ->> 'resent_as'
    FROM json_each(?1) WHERE true
    ON CONFLICT DO UPDATE SET resent_as = excluded.resent_as WHERE excluded.resent_as IS NOT NULL";

const DELETE: &str = "DELETE FROM failures WHERE (at, id, device) IN
    (SELECT at, id, device FROM failures WHERE at < ?1 ORDER BY at LIMIT ?2)";

/// The last row of those that are read is found even if it does not match: the next page begins after it.
const LIST: &str =
    "SELECT at, id, device, state, reason, sender, tag, resent_as, n, is_match FROM (
        SELECT *, row_number() OVER (ORDER BY at DESC, id DESC, device DESC) AS n,
            (?5 IS NULL OR state = ?5) AND (?6 IS NULL OR tag = ?6)
                AND (?7 IS NULL OR device = ?7) AND (?8 IS NULL OR sender = ?8) AS is_match
        FROM (
            SELECT * FROM failures WHERE at >= ?1 AND (at, id, device) < (?2, ?3, ?4)
            ORDER BY at DESC, id DESC, device DESC LIMIT ?9
        )
    ) WHERE is_match OR n = ?9 ORDER BY n LIMIT ?10";

const OVERVIEW: &str = "SELECT at - at % 3600000 AS hour, state, COUNT(*) AS count FROM
        (SELECT at, state FROM failures WHERE at >= ?1 ORDER BY at DESC LIMIT ?2)
    GROUP BY 1, 2 ORDER BY 1, 2";

/// Adds failures, and deletes some of those that are older than `kept_from`.
pub(crate) async fn add(
    db: &D1Database,
    failures: &[FailedDelivery],
    kept_from: Millis,
) -> Result<()> {
    let failures = JsValue::from_str(&serde_json::to_string(failures)?);
    let insert = statement(db, INSERT, &[failures])?;
    let kept_from = number(kept_from as f64);
    let delete = statement(db, DELETE, &[kept_from, number(DELETED.into())])?;
    in_time(async {
        fault::cause_armed("failures").await;
        batch(db, [insert, delete]).await
    })
    .await
    .map(drop)
}

/// Which failures are listed.
#[derive(Debug)]
pub(crate) struct Wanted {
    /// Those from this time on.
    pub(crate) since: Millis,
    /// Those before this place.
    pub(crate) before: Option<Place>,
    /// Those in this state.
    pub(crate) state: Option<State>,
    /// Those of messages to this tag or expression.
    pub(crate) tag: Option<String>,
    /// Those of this recipient.
    pub(crate) device: Option<DeviceId>,
    /// Those of this sender.
    pub(crate) sender: Option<DeviceId>,
    /// At most this many.
    pub(crate) limit: u32,
}

/// Where a page ends; its text is opaque to clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    at: Millis,
    id: MessageId,
    device: DeviceId,
}

impl Place {
    fn of(failure: &FailedDelivery) -> Self {
        Self {
            at: failure.at,
            id: failure.id,
            device: failure.device.clone(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.at, self.id, self.device)
    }
}

impl FromStr for Place {
    type Err = ();

    fn from_str(text: &str) -> std::result::Result<Self, ()> {
        let mut parts = text.splitn(3, '-');
        let mut part = || parts.next().ok_or(());
        Ok(Self {
            at: part()?.parse().map_err(|_| ())?,
            id: part()?.parse().map_err(|_| ())?,
            device: part()?.parse().map_err(|_| ())?,
        })
    }
}

/// A row, with its number among those that were read.
#[derive(Debug, Deserialize)]
struct Row {
    n: u32,
    is_match: u8,
    #[serde(flatten)]
    failure: FailedDelivery,
}

/// A page of failures, newest first.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Page {
    /// The failures.
    pub(crate) failures: Vec<FailedDelivery>,
    /// Where the next page begins, if there may be one.
    pub(crate) next: Option<Place>,
}

impl Page {
    /// At most `limit` of these rows; `scanned` rows were read, if there were as many.
    fn of(rows: Vec<Row>, limit: u32, scanned: u32) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let last = rows.last().filter(|row| row.n >= scanned);
        let mut next = last.map(|row| Place::of(&row.failure));
        let matching = rows.into_iter().filter(|row| row.is_match != 0);
        let mut failures: Vec<FailedDelivery> = matching.map(|row| row.failure).collect();
        if failures.len() > limit {
            failures.truncate(limit);
            next = failures.last().map(Place::of);
        }
        Self { failures, next }
    }
}

/// Lists failures.
pub(crate) async fn list(db: &D1Database, wanted: &Wanted) -> Result<Page> {
    let Wanted {
        since,
        before,
        state,
        tag,
        device,
        sender,
        limit,
    } = wanted;
    let is_filtered = state.is_some() || tag.is_some() || device.is_some() || sender.is_some();
    let scanned = match is_filtered {
        true => SCANNED,
        false => limit.saturating_add(1),
    };
    let optional = |value: Option<JsValue>| value.unwrap_or(JsValue::NULL);
    let [at, id, last] = match before {
        Some(place) => [number(place.at as f64), text(place.id), text(&place.device)],
        // After every time.
        None => [number(f64::from(u32::MAX) * 1e6), text(""), text("")],
    };
    let parameters = [
        number(*since as f64),
        at,
        id,
        last,
        optional(state.map(|state| JsValue::from_str(state.name()))),
        optional(tag.as_ref().map(text)),
        optional(device.as_ref().map(text)),
        optional(sender.as_ref().map(text)),
        number(scanned.into()),
        number(f64::from(*limit) + 1.0),
    ];
    let select = statement(db, LIST, &parameters)?;
    let rows = select.all().await?.results::<Row>()?;
    Ok(Page::of(rows, *limit, scanned))
}

/// How many failures there were in an hour.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Hour {
    /// When the hour began.
    pub(crate) hour: Millis,
    /// The state of the deliveries.
    pub(crate) state: State,
    /// How many.
    pub(crate) count: u32,
}

/// What the directory knows of the whole service.
#[derive(Debug)]
pub(crate) struct Overview {
    /// How many devices there are.
    pub(crate) devices: u32,
    /// How many tags.
    pub(crate) tags: u32,
    /// The failures of the last day, by hour and state.
    pub(crate) hours: Vec<Hour>,
}

#[derive(Deserialize)]
struct Count {
    count: u32,
}

/// Counts devices, tags, and the failures of the last day.
pub(crate) async fn overview(db: &D1Database, now: Millis) -> Result<Overview> {
    let devices = statement(db, "SELECT COUNT(*) AS count FROM devices", &[])?;
    let tags = statement(db, "SELECT COUNT(DISTINCT tag) AS count FROM tags", &[])?;
    let parameters = [number((now - DAY) as f64), number(COUNTED.into())];
    let failures = statement(db, OVERVIEW, &parameters)?;
    let [devices, tags, failures] = batch(db, [devices, tags, failures]).await?;
    let count = |found: worker::D1Result| -> Result<u32> {
        let found = found.results::<Count>()?.pop();
        Ok(found.map_or(0, |found| found.count))
    };
    Ok(Overview {
        devices: count(devices)?,
        tags: count(tags)?,
        hours: failures.results()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(n: u32, is_match: bool) -> Row {
        let failure = serde_json::json!({
            "id": "01HF7YAT00FYHWCCN200000007", "at": 1_000 - i64::from(n), "state": "expired",
            "reason": null, "sender": "bell", "device": "cam-1", "tag": null, "resent_as": null,
        });
        Row {
            n,
            is_match: is_match.into(),
            failure: serde_json::from_value(failure).unwrap(),
        }
    }

    /// The times of a page, and where the next one begins.
    fn page(rows: Vec<Row>, limit: u32, scanned: u32) -> (Vec<Millis>, Option<Millis>) {
        let Page { failures, next } = Page::of(rows, limit, scanned);
        let times = failures.iter().map(|failure| failure.at).collect();
        (times, next.map(|place| place.at))
    }

    #[test]
    fn a_page_that_is_full_ends_with_its_last_failure() {
        let rows = || vec![row(1, true), row(4, true), row(5, true)];
        assert_eq!(page(rows(), 2, 10), (vec![999, 996], Some(996)));
        assert_eq!(page(rows(), 3, 10), (vec![999, 996, 995], None));
    }

    #[test]
    fn a_page_for_which_enough_was_read_ends_there() {
        let unmatched = vec![row(1, true), row(10, false)];
        assert_eq!(page(unmatched, 5, 10), (vec![999], Some(990)));
        let matched = vec![row(1, true), row(10, true)];
        assert_eq!(page(matched, 5, 10), (vec![999, 990], Some(990)));
        assert_eq!(page(vec![row(10, false)], 5, 10), (vec![], Some(990)));
        assert_eq!(page(Vec::new(), 5, 10), (vec![], None));
    }

    #[test]
    fn the_text_of_a_place_reads_back() {
        let place = Place::of(&row(7, true).failure);
        assert_eq!(place.to_string().parse(), Ok(place));
        for text in ["", "1", "1-2", "x-2-cam", "1-2-cam"] {
            assert_eq!(text.parse::<Place>(), Err(()), "{text:?}");
        }
    }
}

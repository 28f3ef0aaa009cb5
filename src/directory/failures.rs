//! The failed deliveries in the directory: adding them, and reading them newest first.
//!
//! A mailbox may add a failure twice: the key is the delivery with the time of its end, so the second time changes
//! nothing, unless it says that the delivery was sent again. There is no index for the filters: a list reads at most
//! [`SCANNED`] rows, and goes on from there on its next page.

use std::str::FromStr;

use tagpost_core::delivery::State;
use tagpost_core::failure::FailedDelivery;
use tagpost_core::id::{DeviceId, MessageId};
use tagpost_core::time::Millis;
use wasm_bindgen::JsValue;
use worker::{D1Database, Result};

use super::{batch, column, in_time, number, statement, text};

/// How many rows past their retention are deleted when others are added.
const DELETED: u32 = 200;

/// How many rows one page of a filtered list reads.
const SCANNED: u32 = 10_000;

/// How many failures an overview counts.
const COUNTED: u32 = 100_000;

/// In milliseconds.
const DAY: Millis = 86_400_000;

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

/// Each row is the JSON of a failure, without what is absent (RFC 7396), its place, its number, and whether it matches.
/// The last row of those that are read is found even if it does not match: the next page begins after it.
const LIST: &str =
    "SELECT json_patch('{}', json_object('id', id, 'at', at, 'state', state, 'reason', reason,
            'sender', sender, 'device', device, 'tag', tag, 'resent_as', resent_as)),
        at || '-' || id || '-' || device, n || '', is_match || '' FROM (
        SELECT *, row_number() OVER (ORDER BY at DESC, id DESC, device DESC) AS n,
            (?5 IS NULL OR state = ?5) AND (?6 IS NULL OR tag IS ?6)
                AND (?7 IS NULL OR device = ?7) AND (?8 IS NULL OR sender = ?8) AS is_match
        FROM (
            SELECT * FROM failures WHERE at >= ?1 AND (at, id, device) < (?2, ?3, ?4)
            ORDER BY at DESC, id DESC, device DESC LIMIT ?9
        )
    ) WHERE is_match OR n = ?9 ORDER BY n LIMIT ?10";

/// The JSON of the whole answer.
const OVERVIEW: &str = "SELECT json_object(
        'devices', (SELECT COUNT(*) FROM devices),
        'tags', (SELECT COUNT(DISTINCT tag) FROM tags),
        'failures', json_object('by_hour', (
            SELECT json_group_array(json_object('hour', hour, 'state', state, 'count', count)) FROM (
                SELECT at - at % 3600000 AS hour, state, COUNT(*) AS count FROM
                    (SELECT at, state FROM failures WHERE at >= ?1 ORDER BY at DESC LIMIT ?2)
                GROUP BY 1, 2 ORDER BY 1, 2
            )
        ))
    )";

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
    batch(db, [insert, delete]).await.map(drop)
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

/// A page of failures, newest first.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Page {
    /// The JSON of each failure.
    pub(crate) failures: Vec<String>,
    /// Where the next page begins, if there may be one.
    pub(crate) next: Option<String>,
}

impl Page {
    /// At most `limit` of these rows; `scanned` rows were read, if there were as many. A row is the JSON of a failure,
    /// its place, its number, and whether it matches.
    fn of(rows: Vec<[String; 4]>, limit: u32, scanned: u32) -> Self {
        let (limit, scanned) = (limit as usize, scanned.to_string());
        let mut next = rows
            .last()
            .filter(|[_, _, n, _]| *n == scanned)
            .map(|[_, place, _, _]| place.clone());
        let mut failures = Vec::new();
        let mut last = None;
        for [failure, place, _, is_match] in rows {
            if is_match != "1" {
                continue;
            }
            if failures.len() >= limit {
                next = last;
                break;
            }
            failures.push(failure);
            last = Some(place);
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
        optional(state.map(|state| JsValue::from_str(state.as_str()))),
        optional(tag.as_ref().map(text)),
        optional(device.as_ref().map(text)),
        optional(sender.as_ref().map(text)),
        number(scanned.into()),
        number(f64::from(*limit) + 1.0),
    ];
    let select = statement(db, LIST, &parameters)?;
    let rows = in_time(select.raw::<String>()).await?.into_iter();
    let rows = rows.map(|row| {
        row.try_into()
            .map_err(|_| "D1 answered other columns".into())
    });
    Ok(Page::of(rows.collect::<Result<_>>()?, *limit, scanned))
}

/// Counts devices, tags, and the failures of the last day: the JSON of the answer.
pub(crate) async fn overview(db: &D1Database, now: Millis) -> Result<String> {
    let parameters = [number((now - DAY) as f64), number(COUNTED.into())];
    let overview = column(statement(db, OVERVIEW, &parameters)?).await?.pop();
    overview.ok_or_else(|| "D1 answered no row".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(n: u32, is_match: bool) -> [String; 4] {
        let is_match = u8::from(is_match).to_string();
        [
            format!("failure {n}"),
            format!("place {n}"),
            n.to_string(),
            is_match,
        ]
    }

    /// The failures of a page, and where the next one begins.
    fn page(rows: Vec<[String; 4]>, limit: u32, scanned: u32) -> (String, Option<String>) {
        let Page { failures, next } = Page::of(rows, limit, scanned);
        (failures.join(", "), next)
    }

    #[test]
    fn a_page_that_is_full_ends_with_its_last_failure() {
        let rows = || vec![row(1, true), row(4, true), row(5, true)];
        let full = (
            "failure 1, failure 4".to_owned(),
            Some("place 4".to_owned()),
        );
        assert_eq!(page(rows(), 2, 10), full);
        assert_eq!(page(rows(), 2, 5), full);
        let all = ("failure 1, failure 4, failure 5".to_owned(), None);
        assert_eq!(page(rows(), 3, 10), all);
    }

    #[test]
    fn a_page_for_which_enough_was_read_ends_there() {
        let end = Some("place 10".to_owned());
        let unmatched = vec![row(1, true), row(10, false)];
        assert_eq!(
            page(unmatched, 5, 10),
            ("failure 1".to_owned(), end.clone())
        );
        let matched = vec![row(1, true), row(10, true)];
        assert_eq!(
            page(matched, 5, 10),
            ("failure 1, failure 10".to_owned(), end.clone())
        );
        assert_eq!(page(vec![row(10, false)], 5, 10), (String::new(), end));
        assert_eq!(page(Vec::new(), 5, 10), (String::new(), None));
    }

    #[test]
    fn the_text_of_a_place_is_read() {
        let place: Place = "993-01HF7YAT00FYHWCCN200000007-cam-1".parse().unwrap();
        assert_eq!((place.at, place.device.as_str()), (993, "cam-1"));
        for text in ["", "1", "1-2", "x-2-cam", "1-2-cam"] {
            assert_eq!(text.parse::<Place>(), Err(()), "{text:?}");
        }
    }
}

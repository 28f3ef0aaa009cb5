//! The lookups of a publish: the devices of its target.

use litemap::LiteMap;
use tagpost_core::id::DeviceId;
use tagpost_core::message::Target;
use wasm_bindgen::JsValue;
use worker::{D1Database, D1SessionConstraint, Result};

use super::{in_time, number, recent, text};
use crate::clock;

/// The devices of tags and expressions, by their texts; one without devices is absent.
#[derive(Default)]
pub(crate) struct Found(LiteMap<String, Vec<DeviceId>>);

impl Found {
    /// The devices of a target that was looked up, or is a device itself.
    pub(crate) fn devices(&self, to: &Target) -> Vec<DeviceId> {
        let text = match to {
            Target::Device(device) => return vec![device.clone()],
            Target::Tag(tag) => tag.as_str(),
            Target::Match(expression) => expression.as_str(),
        };
        self.0.get(text).cloned().unwrap_or_default()
    }

    fn has(&self, text: &str) -> bool {
        self.0.contains_key(text)
    }
}

/// The devices of each of these targets that is not a device itself, at most `limit` of them.
///
/// A nearby replica is asked first, unless the tag was looked up a moment ago. It may lag behind, so what
/// it does not know is asked of the primary: a tag that was just bound is found. All tags share a query; each
/// expression takes one of its own.
pub(crate) async fn resolve(db: &D1Database, targets: &[Target], limit: u32) -> Result<Found> {
    let asked_at = clock();
    let mut found = Found::default();
    for target in targets {
        if let Target::Tag(tag) = target
            && let Some(device) = recent::device_of(tag, asked_at)
        {
            found.0.insert(tag.to_string(), vec![device]);
        }
    }
    for constraint in [
        D1SessionConstraint::FirstUnconstrained,
        D1SessionConstraint::FirstPrimary,
    ] {
        let mut tags = Vec::new();
        for target in targets {
            match target {
                Target::Tag(tag) if !found.has(tag.as_str()) => tags.push(tag),
                Target::Match(expression) if !found.has(expression.as_str()) => {
                    let (names, sets) = (expression.names(), expression.sets());
                    let parameters = [
                        text(serde_json::to_string(&names)?),
                        number(limit.into()),
                        text(serde_json::to_string(&sets)?),
                        text(expression),
                    ];
                    query(db, constraint, EXPRESSION, &parameters, &mut found).await?;
                }
                _ => {}
            }
        }
        if !tags.is_empty() {
            let parameters = [text(serde_json::to_string(&tags)?), number(limit.into())];
            query(db, constraint, TAGS, &parameters, &mut found).await?;
        }
        for tag in tags {
            if let Some(devices) = found.0.get(tag.as_str()) {
                recent::remember(tag, devices, asked_at, clock());
            }
        }
    }
    Ok(found)
}

/// The tags are one parameter, because a statement takes no more than 100. A row holds 10,000 devices
/// as one JSON text, at most 0.7 of the 2 MB that a value may have: a row each would cross into wasm
/// one by one.
const TAGS: &str = "SELECT tag, json_group_array(device) FROM (
        SELECT tag, device, row_number() OVER (PARTITION BY tag ORDER BY device) AS n
        FROM tags WHERE tag IN (SELECT value FROM json_each(?1))
    ) WHERE n <= ?2 GROUP BY tag, n / 10000";

/// Each name of the expression that a device has is a bit; a device matches if their sum is one of the sets that match.
const EXPRESSION: &str = "SELECT ?4, json_group_array(device) FROM (
        SELECT device, row_number() OVER (ORDER BY device) AS n FROM (
            SELECT device, 1 << key AS bit FROM json_each(?1) CROSS JOIN tags ON tag = value
            UNION ALL
            SELECT device, 1 << key FROM json_each(?1) CROSS JOIN devices ON device = substr(value, 2)
            WHERE value LIKE '@%'
        ) GROUP BY device HAVING sum(bit) IN (SELECT value FROM json_each(?3))
    ) WHERE n <= ?2 GROUP BY n / 10000";

/// Adds what a statement finds: rows of a target's text and its devices.
async fn query(
    db: &D1Database,
    constraint: D1SessionConstraint,
    sql: &str,
    parameters: &[JsValue],
    found: &mut Found,
) -> Result<()> {
    let session = db.with_session_constraint(constraint)?;
    let lookup = session.prepare(sql).bind(parameters)?;
    for row in in_time(lookup.raw::<String>()).await? {
        let [target, devices] =
            <[String; 2]>::try_from(row).map_err(|_| "D1 answered other columns")?;
        let devices: Vec<DeviceId> = serde_json::from_str(&devices)?;
        found.0.entry(target).or_default().extend(devices);
    }
    Ok(())
}

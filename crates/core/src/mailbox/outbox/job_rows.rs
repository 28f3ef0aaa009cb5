//! The rows of jobs and of `keys`: what has to be stored of a publish before all its recipients are reached.

use super::job_table::Kind;
use super::rows::Sent;
use super::unlisted::{Audience, audience};
use crate::delivery::Delivery;
use crate::id::{DeviceId, IdempotencyKey, MessageId};
use crate::message::Message;
use crate::store::{Row, Store, StoreError, Value, from_json, to_json};
use crate::time::Millis;

/// The message that a key belongs to, and its fingerprint.
pub(super) fn key(
    store: &impl Store,
    key: &IdempotencyKey,
) -> Result<Option<(MessageId, Vec<u8>)>, StoreError> {
    let sql = "SELECT id, fingerprint FROM keys WHERE idempotency_key = ?";
    let row = store.run(sql, &[key.as_str().into()])?.pop();
    row.map(|mut row| Ok((row.id()?, row.blob()?))).transpose()
}

/// Stores a key.
pub(super) fn insert_key(
    store: &impl Store,
    key: &IdempotencyKey,
    id: MessageId,
    fingerprint: [u8; 16],
) -> Result<(), StoreError> {
    let sql = "INSERT INTO keys (idempotency_key, id, fingerprint) VALUES (?, ?, ?)";
    let fingerprint = Value::Blob(fingerprint.to_vec());
    store
        .run(sql, &[key.as_str().into(), id.into(), fingerprint])
        .map(drop)
}

/// Deletes a key.
pub(super) fn delete_key(store: &impl Store, key: &IdempotencyKey) -> Result<(), StoreError> {
    let sql = "DELETE FROM keys WHERE idempotency_key = ?";
    store.run(sql, &[key.as_str().into()]).map(drop)
}

/// A stored message with unreached deliveries.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub(super) id: MessageId,
    pub(super) retry_at: Millis,
    pub(super) tries: u32,
    /// The length of the message's JSON.
    pub(super) bytes: u64,
    /// The message's audience; `None` if it has got further recipients, or if version 2 of the tables wrote the row.
    pub(super) audience: Option<Audience>,
    /// The devices that are unreached, in the order of their names. `None` if they are many, or not known yet: then
    /// only the deliveries tell.
    pub(super) left: Option<Vec<DeviceId>>,
    /// None of them was called before the mailbox was opened.
    pub(super) is_fresh: bool,
}

impl Job {
    /// Reads the columns behind the key, up to `left_over`.
    pub(super) fn read(id: MessageId, row: &mut Row) -> Result<Self, StoreError> {
        Ok(Self {
            id,
            retry_at: row.int()?,
            tries: row.count()?,
            bytes: row.count()?,
            audience: row.opt_bytes()?,
            left: row.opt_text()?.map(|text| from_json(&text)).transpose()?,
            is_fresh: false,
        })
    }
}

/// The message of a job that is to be stored.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) id: MessageId,
    pub(super) now_or_never: bool,
    audience: Option<Audience>,
    json: Json,
}

/// The JSON of a message.
#[derive(Debug)]
enum Json {
    Text(String),
    /// It has this length, and is in the row of the message's steps. It is copied there without being read, which may
    /// be done for any number of messages.
    OfSteps(u64),
}

impl Queued {
    pub(super) fn of(message: &Message, deliveries: &[Delivery]) -> Result<Self, StoreError> {
        Ok(Self {
            id: message.id,
            now_or_never: message.is_now_or_never(),
            audience: Some(audience(deliveries)),
            json: Json::Text(to_json(message)?),
        })
    }

    /// The same for a message that has got further recipients.
    pub(super) fn growing(message: &Message) -> Result<Self, StoreError> {
        Ok(Self {
            audience: None,
            ..Self::of(message, &[])?
        })
    }

    /// The same for a stored message with steps, whose JSON has this length.
    pub(super) fn with_steps(sent: &Sent, bytes: u64) -> Self {
        Self {
            id: sent.id,
            now_or_never: sent.is_now_or_never(),
            audience: None,
            json: Json::OfSteps(bytes),
        }
    }
}

/// Stores a job.
pub(super) fn insert_job(
    store: &impl Store,
    message: Queued,
    retry_at: Millis,
    tries: u32,
    left: Option<Vec<DeviceId>>,
) -> Result<Job, StoreError> {
    let Queued {
        id, audience, json, ..
    } = message;
    let (bytes, message, source) = match json {
        Json::Text(json) => (
            json.len() as u64,
            Value::from(json),
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
        ),
        Json::OfSteps(bytes) => (
            bytes,
            Kind::Steps.key(id),
            "SELECT ?, ?, ?, ?, ?, ?, message FROM jobs WHERE id = ?",
        ),
    };
    let sql = format!(
        "INSERT OR REPLACE INTO jobs \
         (id, retry_at, tries, bytes, audience, left_over, message) {source}"
    );
    let values = [
        id.into(),
        retry_at.into(),
        tries.into(),
        i64::try_from(bytes).unwrap_or(i64::MAX).into(),
        audience.map_or(Value::Null, |it| Value::Blob(it.to_vec())),
        names(left.as_deref())?,
        message,
    ];
    store.run(&sql, &values as &[Value]).map(|_| Job {
        id,
        retry_at,
        tries,
        bytes,
        audience,
        left,
        is_fresh: false,
    })
}

/// Postpones a job, with the devices that are left over.
pub(super) fn save_job(store: &impl Store, job: &Job) -> Result<(), StoreError> {
    let sql = "UPDATE jobs SET retry_at = ?, tries = ?, left_over = ? WHERE id = ?";
    let left = names(job.left.as_deref())?;
    let values = [job.retry_at.into(), job.tries.into(), left, job.id.into()];
    store.run(sql, &values).map(drop)
}

fn names(left: Option<&[DeviceId]>) -> Result<Value, StoreError> {
    Ok(left.map(|left| to_json(&left)).transpose()?.into())
}

/// Deletes a job.
pub(super) fn delete_job(store: &impl Store, id: MessageId) -> Result<(), StoreError> {
    store
        .run("DELETE FROM jobs WHERE id = ?", &[id.into()])
        .map(drop)
}

/// The JSON of the message of a job.
pub(super) fn job_message(store: &impl Store, id: MessageId) -> Result<Option<String>, StoreError> {
    let row = store
        .run("SELECT message FROM jobs WHERE id = ?", &[id.into()])?
        .pop();
    row.map(|mut row| row.text()).transpose()
}

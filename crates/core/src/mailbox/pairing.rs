//! The pairing code of the device.
//!
//! A device has one code at a time. Using it is written before the token exists: if the answer is lost, nobody can
//! exchange the code again, and the operator makes a new one. Not here: how a code is written, which is
//! [`crate::pairing`].

use super::Mailbox;
use super::bucket::{Bucket, too_many};
use super::output::Failure;
use crate::call::IssuedCode;
use crate::pairing::{self, LIFE};
use crate::problem::Problem;
use crate::schema;
use crate::store::{Store, StoreError, Value, from_json, to_json};
use crate::time::{Millis, Now};
use crate::token::{Claims, Grant, TokenId};

/// How many codes of a device may be issued within a minute, and how many exchanges tried.
const A_MINUTE: u32 = 10;

/// The greatest number of a code: the platform passes numbers to its database as doubles.
const GREATEST_NUMBER: u64 = (1 << 53) - 1;

/// What is kept in memory: how often codes were issued, and tried.
#[derive(Debug, Default)]
pub(super) struct Memory {
    issued: Bucket,
    tried: Bucket,
}

/// The row of the table `pairing`.
struct PairingRow {
    number: i64,
    expires_at: Millis,
    /// `None` once the code was used.
    grant: Option<Grant>,
}

impl<S: Store> Mailbox<S> {
    /// Issues a code, which ends the one before.
    ///
    /// # Errors
    /// `unknown_device`, `too_many_requests`, or the store failed.
    pub(super) fn issue_code(&mut self, grant: &Grant, now: Now) -> Result<IssuedCode, Failure> {
        if !self.is_registered() {
            return Err(Problem::unknown_device().into());
        }
        count(&mut self.pairing.issued, now)?;
        let store = &self.cx.store;
        if !schema::has_pairing(store)? {
            schema::create_pairing(store)?;
        }
        let issued = IssuedCode {
            number: (now.random & GREATEST_NUMBER) as i64,
            expires_at: now.at + LIFE,
        };
        let sql =
            "INSERT OR REPLACE INTO pairing (one, number, expires_at, granted) VALUES (1, ?, ?, ?)";
        let values = [
            Value::from(issued.number),
            issued.expires_at.into(),
            to_json(grant)?.into(),
        ];
        store.run(sql, &values)?;
        Ok(issued)
    }

    /// Exchanges the code with this number for the claims of a token.
    ///
    /// # Errors
    /// `unknown_code`, `too_many_requests`, or the store failed.
    pub(super) fn exchange_code(&mut self, number: i64, now: Now) -> Result<Claims, Failure> {
        let account = self.cx.account.as_ref();
        let Some(account) = account.filter(|account| account.created_at > 0) else {
            return Err(pairing::ended().into());
        };
        count(&mut self.pairing.tried, now)?;
        let store = &self.cx.store;
        let Some(row) = load(store)?.filter(|row| row.number == number) else {
            return Err(pairing::ended().into());
        };
        let Some(grant) = row.grant else {
            return Err(pairing::used().into());
        };
        if row.expires_at <= now.at {
            return Err(pairing::expired().into());
        }
        store.run("UPDATE pairing SET granted = NULL WHERE one = 1", &[])?;
        let (id, issued_at) = (TokenId::from_random(now.random), now.at.div_euclid(1_000));
        Ok(grant.claims(account.device.clone(), id, issued_at, account.revocations))
    }

    /// Ends the code, if there is one: the device's tokens are revoked, or the device is removed.
    pub(super) fn end_code(&mut self) -> Result<(), StoreError> {
        let store = &self.cx.store;
        match schema::has_pairing(store)? {
            true => store.run("DELETE FROM pairing", &[]).map(drop),
            false => Ok(()),
        }
    }
}

fn load(store: &impl Store) -> Result<Option<PairingRow>, StoreError> {
    if !schema::has_pairing(store)? {
        return Ok(None);
    }
    let sql = "SELECT number, expires_at, granted FROM pairing WHERE one = 1";
    let Some(mut row) = store.run(sql, &[])?.pop() else {
        return Ok(None);
    };
    Ok(Some(PairingRow {
        number: row.int()?,
        expires_at: row.int()?,
        grant: row.opt_text()?.as_deref().map(from_json).transpose()?,
    }))
}

/// Counts one of at most [`A_MINUTE`].
///
/// # Errors
/// `too_many_requests`, with the seconds until there is room again.
fn count(bucket: &mut Bucket, now: Now) -> Result<(), Problem> {
    let drawn = bucket.draw(60 / A_MINUTE, 1, 60, now.at);
    drawn.map_err(|seconds| {
        let detail = format!("at most {A_MINUTE} a minute for each device");
        too_many(detail, seconds)
    })
}

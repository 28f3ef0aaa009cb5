//! The device of a mailbox: whether it is registered, since when, and which of its tokens are valid.
//!
//! The row outlives the device, so that revoked tokens stay revoked.

use std::fmt;

use super::output::Failure;
use super::revoked::RevokedTokens;
use super::totals::Totals;
use crate::call::Registered;
use crate::id::{DeviceId, MessageId, owner};
use crate::schema;
use crate::store::{Store, StoreError, Value, from_json, to_json};
use crate::time::Millis;
use crate::token::{Claims, TokenId};

/// The text of a webhook. It has secrets, and is not printed.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Kept(pub(super) String);

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kept(…)")
    }
}

/// The one row of the table `account`, and the tokens that were revoked one by one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) device: DeviceId,
    /// 0 while no device is registered.
    pub(super) created_at: Millis,
    pub(super) revocations: u32,
    /// Tokens issued at this time or before are revoked.
    revoked_at: Millis,
    pub(super) last_seen_at: Option<Millis>,
    /// The last receipt's number when the device was last seen; later receipts have greater numbers.
    pub(super) last_receipt: i64,
    /// The last receipt that the device is recorded to have seen.
    pub(super) receipts_seen: i64,
    /// Lower bound: all unseen receipts, including those to come, belong to messages from this id on.
    pub(super) unseen_from: Option<MessageId>,
    /// The totals of the inbox, if it is large; see [`super::totals`].
    pub(super) held: Option<Totals>,
    /// What ended connections had in flight, and what is in progress; see [`super::lost`].
    pub(super) lost: String,
    /// When the newest message was accepted whose retention ended early.
    pub(super) truncated_before: Option<Millis>,
    /// The state of the wake-ups; see [`super::wake`].
    pub(super) wake: Option<String>,
    /// How far the failures have come that the directory does not list yet; see [`super::failures`].
    pub(super) failures: Option<String>,
    /// When the first payload of a failed delivery is past its retention, if any is kept.
    pub(super) kept_until: Option<Millis>,
    /// The webhook; see [`super::webhook`].
    pub(super) webhook: Option<Kept>,
    revoked: RevokedTokens,
}

impl Account {
    /// Reads the row, after upgrading tables of an older version; `None` if no device was ever registered.
    pub(super) fn load(store: &impl Store) -> Result<Option<Self>, StoreError> {
        let (version, has_revoked) = schema::found(store)?;
        if version == 0 {
            return Ok(None);
        }
        schema::upgrade(store, version)?;
        let sql = "SELECT device, created_at, revocations, revoked_at, last_seen_at, last_receipt, \
                   receipts_seen, unseen_from, held, lost, truncated_before, wake, failures, kept_until, \
                   webhook FROM account WHERE one = 1";
        let Some(mut row) = store.run(sql, &[])?.pop() else {
            return Ok(None);
        };
        let device = row.text()?;
        Ok(Some(Self {
            device: owner::read(&device)
                .map_err(|error| StoreError(format!("account: {error}")))?,
            created_at: row.int()?,
            revocations: row.count()?,
            revoked_at: row.int()?,
            last_seen_at: row.opt_int()?,
            last_receipt: row.int()?,
            receipts_seen: row.int()?,
            unseen_from: row.opt_id()?,
            held: row.opt_text()?.as_deref().map(from_json).transpose()?,
            lost: row.opt_text()?.unwrap_or_default(),
            truncated_before: row.opt_int()?,
            wake: row.opt_text()?,
            failures: row.opt_text()?,
            kept_until: row.opt_int()?,
            webhook: row.opt_text()?.map(Kept),
            revoked: match has_revoked {
                true => RevokedTokens::load(store)?,
                false => RevokedTokens::default(),
            },
        }))
    }

    /// The account of a device that is not registered yet. Creates the tables; [`Self::save`] writes the row.
    pub(super) fn create(store: &impl Store, device: DeviceId) -> Result<Self, StoreError> {
        schema::upgrade(store, schema::version(store)?)?;
        Ok(Self {
            device,
            created_at: 0,
            revocations: 0,
            revoked_at: 0,
            last_seen_at: None,
            last_receipt: 0,
            receipts_seen: 0,
            unseen_from: None,
            held: None,
            lost: String::new(),
            truncated_before: None,
            wake: None,
            failures: None,
            kept_until: None,
            webhook: None,
            revoked: RevokedTokens::default(),
        })
    }

    /// Writes the row.
    pub(super) fn save(&self, store: &impl Store) -> Result<(), StoreError> {
        let sql = "INSERT OR REPLACE INTO account \
            (one, schema, device, created_at, revocations, revoked_at, last_seen_at, last_receipt, \
            receipts_seen, unseen_from, held, lost, truncated_before, wake, failures, kept_until, webhook) \
            VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
        let values = [
            schema::VERSION.into(),
            self.device.as_str().into(),
            self.created_at.into(),
            self.revocations.into(),
            self.revoked_at.into(),
            self.last_seen_at.into(),
            self.last_receipt.into(),
            self.receipts_seen.into(),
            self.unseen_from.into(),
            self.held.as_ref().map(to_json).transpose()?.into(),
            self.lost.as_str().into(),
            self.truncated_before.into(),
            self.wake.as_deref().into(),
            self.failures.as_deref().into(),
            self.kept_until.into(),
            self.webhook.as_ref().map(|kept| kept.0.as_str()).into(),
        ];
        store.run(sql, &values as &[Value]).map(drop)
    }

    /// Writes what ended connections had in flight and what is in progress, into a row that exists. What is known of a
    /// webhook goes with it: the failure of a message changes both.
    pub(super) fn save_lost(&self, store: &impl Store) -> Result<(), StoreError> {
        let sql = "UPDATE account SET lost = ?, webhook = ? WHERE one = 1";
        let webhook = self.webhook.as_ref().map(|kept| kept.0.as_str());
        let values = [self.lost.as_str().into(), webhook.into()];
        store.run(sql, &values).map(drop)
    }

    /// Writes the state of the wake-ups, into a row that exists.
    pub(super) fn save_wake(&self, store: &impl Store) -> Result<(), StoreError> {
        let sql = "UPDATE account SET wake = ? WHERE one = 1";
        store.run(sql, &[self.wake.as_deref().into()]).map(drop)
    }

    /// Writes how far the failures have come, into a row that exists.
    pub(super) fn save_failures(&self, store: &impl Store) -> Result<(), StoreError> {
        let sql = "UPDATE account SET failures = ? WHERE one = 1";
        store.run(sql, &[self.failures.as_deref().into()]).map(drop)
    }

    /// Writes when the first payload is past its retention, into a row that exists.
    pub(super) fn save_kept_until(&self, store: &impl Store) -> Result<(), StoreError> {
        let sql = "UPDATE account SET kept_until = ? WHERE one = 1";
        store.run(sql, &[self.kept_until.into()]).map(drop)
    }

    /// Writes the webhook, into a row that exists.
    pub(super) fn save_webhook(&self, store: &impl Store) -> Result<(), StoreError> {
        let sql = "UPDATE account SET webhook = ? WHERE one = 1";
        let text = self.webhook.as_ref().map(|kept| kept.0.as_str());
        store.run(sql, &[text.into()]).map(drop)
    }

    /// Revokes all tokens issued up to `now`. [`Self::save`] writes the row.
    pub(super) fn revoke(&mut self, store: &impl Store, now: Millis) -> Result<(), StoreError> {
        self.revocations += 1;
        self.revoked_at = now;
        self.revoked.all_revoked(store, now)
    }

    /// Revokes the token with this id, which expires then, and writes that.
    ///
    /// # Errors
    /// `too_many_revoked`, or the store failed.
    pub(super) fn revoke_one(
        &mut self,
        store: &impl Store,
        id: TokenId,
        expires_at: Option<Millis>,
        now: Millis,
    ) -> Result<(), Failure> {
        self.revoked.add(store, id, expires_at, now)
    }

    /// Whether a token with these claims was not revoked: neither alone nor with all others.
    ///
    /// A token that this service minted carries the number of revocations before it, which decides. For a token
    /// minted elsewhere its `iat` decides, which has only seconds: a token of the same second as a revocation counts as
    /// issued before it.
    pub(super) fn admits(&self, claims: &Claims) -> bool {
        if claims.id.as_ref().is_some_and(|id| self.revoked.has(id)) {
            return false;
        }
        match claims.revocations {
            Some(seen) => seen >= self.revocations,
            None => self.revocations == 0 || claims.issued_at > self.revoked_at.div_euclid(1000),
        }
    }

    /// The answer to calls that concern the registration.
    pub(super) fn registered(&self, changed: bool) -> Registered {
        Registered {
            changed,
            created_at: self.created_at,
            revocations: self.revocations,
        }
    }
}

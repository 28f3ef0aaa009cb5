//! The rows of the table `subscriptions`, which only a device with subscriptions has. They are written when a device
//! subscribes; what changes with each knock is in [`super::state`].

use crate::store::{Row, Store, StoreError};
use crate::time::Millis;
use crate::wake::{Endpoint, SubscriptionId};

/// A row.
#[derive(Debug)]
pub(super) struct SubscriptionRow {
    pub(super) id: SubscriptionId,
    pub(super) label: Option<String>,
    pub(super) endpoint: Endpoint,
    pub(super) created_at: Millis,
}

impl SubscriptionRow {
    fn read(mut row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: SubscriptionId::from_int(row.int()?),
            label: row.opt_text()?,
            endpoint: Endpoint::stored(row.text()?),
            created_at: row.int()?,
        })
    }
}

/// All rows, oldest first.
pub(super) fn list(store: &impl Store) -> Result<Vec<SubscriptionRow>, StoreError> {
    let sql = "SELECT id, label, endpoint, created_at FROM subscriptions ORDER BY created_at, id";
    let rows = store.run(sql, &[])?;
    rows.into_iter().map(SubscriptionRow::read).collect()
}

/// The endpoint of a subscription.
pub(super) fn endpoint(
    store: &impl Store,
    id: SubscriptionId,
) -> Result<Option<Endpoint>, StoreError> {
    let sql = "SELECT endpoint FROM subscriptions WHERE id = ?";
    let row = store.run(sql, &[id.to_int().into()])?.pop();
    row.map(|mut row| row.text().map(Endpoint::stored))
        .transpose()
}

/// Writes a row.
pub(super) fn save(store: &impl Store, row: &SubscriptionRow) -> Result<(), StoreError> {
    let sql = "INSERT OR REPLACE INTO subscriptions (id, label, endpoint, created_at) VALUES (?, ?, ?, ?)";
    let values = [
        row.id.to_int().into(),
        row.label.as_deref().into(),
        row.endpoint.as_str().into(),
        row.created_at.into(),
    ];
    store.run(sql, &values).map(drop)
}

/// Deletes a row.
pub(super) fn delete(store: &impl Store, id: SubscriptionId) -> Result<(), StoreError> {
    let sql = "DELETE FROM subscriptions WHERE id = ?";
    store.run(sql, &[id.to_int().into()]).map(drop)
}

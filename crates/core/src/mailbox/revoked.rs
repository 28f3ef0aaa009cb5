//! The tokens of the device that were revoked one by one.
//!
//! Each is a row, which is kept until its token expires; one whose end is not known is kept until all tokens of the
//! device are revoked. There are at most [`MAX_REVOKED`]. Rows and memory agree after each call. Not here: the
//! revocation of all tokens, which is a number in the account.

use super::output::Failure;
use crate::id::InvalidName;
use crate::problem::{Code, Problem};
use crate::schema;
use crate::store::{Store, StoreError, Value};
use crate::time::Millis;
use crate::token::{CLOCK_SKEW, TokenId};

/// How many tokens of one device may be revoked one by one, and not have expired.
const MAX_REVOKED: usize = 100;

/// The revoked tokens, in the order of their ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct RevokedTokens(Vec<RevokedToken>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct RevokedToken {
    id: TokenId,
    revoked_at: Millis,
    /// `None` if it does not expire, or that is not known.
    expires_at: Option<Millis>,
}

impl RevokedTokens {
    /// Reads the rows, of which there are some or were some.
    pub(super) fn load(store: &impl Store) -> Result<Self, StoreError> {
        let sql = "SELECT id, revoked_at, expires_at FROM revoked_tokens ORDER BY id";
        let rows = store.run(sql, &[])?.into_iter();
        let invalid = |error: InvalidName| StoreError(format!("revoked_tokens: {error}"));
        let tokens = rows.map(|mut row| {
            Ok(RevokedToken {
                id: row.text()?.parse().map_err(invalid)?,
                revoked_at: row.int()?,
                expires_at: row.opt_int()?,
            })
        });
        tokens.collect::<Result<Vec<_>, StoreError>>().map(Self)
    }

    /// Whether the token with this id was revoked.
    pub(super) fn has(&self, id: &TokenId) -> bool {
        self.place(id).is_ok()
    }

    /// Adds a token, which expires then. One that was added before is kept for the longer of the two times. Tokens that
    /// have expired make room.
    ///
    /// # Errors
    /// `too_many_revoked`, or the store failed.
    pub(super) fn add(
        &mut self,
        store: &impl Store,
        id: TokenId,
        expires_at: Option<Millis>,
        now: Millis,
    ) -> Result<(), Failure> {
        schema::create_revoked_tokens(store)?;
        self.keep(store, |token| token.expires_at.is_none_or(|at| at > now))?;
        let mut token = RevokedToken {
            id,
            revoked_at: now,
            expires_at,
        };
        match self.place(&token.id) {
            Ok(place) => {
                let Some(known) = self.0.get_mut(place) else {
                    return Ok(());
                };
                token.expires_at = token
                    .expires_at
                    .zip(known.expires_at)
                    .map(|(a, b)| a.max(b));
                *known = token.clone();
            }
            Err(_) if self.0.len() >= MAX_REVOKED => return Err(too_many().into()),
            Err(place) => self.0.insert(place, token.clone()),
        }
        let sql =
            "INSERT OR REPLACE INTO revoked_tokens (id, revoked_at, expires_at) VALUES (?, ?, ?)";
        let values = [
            Value::from(token.id.as_str()),
            token.revoked_at.into(),
            token.expires_at.into(),
        ];
        store.run(sql, &values)?;
        Ok(())
    }

    /// All tokens of the device are revoked, and those that were revoked alone need no row any more. One that was
    /// revoked lately does: its `iat` may be ahead of the clock, and then it survives the revocation of all.
    pub(super) fn all_revoked(
        &mut self,
        store: &impl Store,
        now: Millis,
    ) -> Result<(), StoreError> {
        self.keep(store, |token| {
            token.revoked_at.saturating_add(CLOCK_SKEW * 1000) >= now
        })
    }

    /// Keeps only these.
    fn keep(
        &mut self,
        store: &impl Store,
        which: impl Fn(&RevokedToken) -> bool,
    ) -> Result<(), StoreError> {
        for token in self.0.extract_if(.., |token| !which(token)) {
            let sql = "DELETE FROM revoked_tokens WHERE id = ?";
            store.run(sql, &[token.id.as_str().into()])?;
        }
        Ok(())
    }

    /// Where the token with this id is, or would be.
    fn place(&self, id: &TokenId) -> Result<usize, usize> {
        self.0.binary_search_by(|token| token.id.cmp(id))
    }
}

fn too_many() -> Problem {
    let detail = format!(
        "{MAX_REVOKED} tokens of the device were revoked one by one and may be valid otherwise; revoke all of them"
    );
    Problem::new(Code::TooManyRevoked, detail)
}

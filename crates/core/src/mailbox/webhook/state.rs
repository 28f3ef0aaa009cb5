//! What the account's row says of a webhook: its setting, its secrets, and whether anything is posted.

use serde::{Deserialize, Serialize};

use crate::time::Millis;
use crate::webhook::{Disabled, Secrets, Setting, Tries};

/// How many failures in a row cut an address off.
const MOST_FAILURES: u32 = 5;

/// A webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) setting: Setting,
    pub(super) secrets: Secrets,
    /// The device has set it, so it ends with the device's tokens.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) is_own: bool,
    /// Why nothing is posted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) disabled: Option<Disabled>,
    /// Too many attempts in a row have failed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) is_cut_off: bool,
    /// How many attempts in a row have failed.
    #[serde(rename = "n", default, skip_serializing_if = "is_zero")]
    pub(super) failures: u32,
    /// The last tries. They are written with the next message that fails, or whatever else is written.
    #[serde(default, skip_serializing_if = "Tries::is_empty")]
    pub(super) tries: Tries,
    /// When receipts are posted again, if the address has not taken them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) receipts: Option<ReceiptPause>,
}

/// Receipts that the address has not taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ReceiptPause {
    /// How often in a row.
    #[serde(rename = "n")]
    pub(super) failed: u32,
    /// Until when they pause.
    #[serde(rename = "u")]
    pub(super) until: Millis,
}

impl State {
    /// An attempt has failed. Returns whether this cuts the address off.
    pub(super) fn fail(&mut self) -> bool {
        self.failures = self.failures.saturating_add(1);
        let is_news = self.failures >= MOST_FAILURES && !self.is_cut_off;
        self.is_cut_off |= is_news;
        is_news
    }

    /// An attempt has succeeded. Returns whether the one before had failed, and whether the address was cut off.
    pub(super) fn succeed(&mut self) -> (bool, bool) {
        let failures = std::mem::take(&mut self.failures);
        (failures > 0, std::mem::take(&mut self.is_cut_off))
    }
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

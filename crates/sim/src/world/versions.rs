//! Two versions of the service that run at the same time, as during a roll-out or a roll-back.
//!
//! Only one of them knows some kinds of calls, and some answers. Between mailboxes of different versions such a call is
//! answered with an error and changes nothing; such an answer cannot be read.

use super::World;
use super::calls::Caller;
use crate::chance::chance;

/// The answer of a mailbox of another version.
pub(super) const UNKNOWN: &str = r#"{"unheard_of":{}}"#;

impl World<'_> {
    /// Whether a mailbox does not understand such a call of this caller.
    pub(super) fn misunderstands_call(&self, caller: &Caller, to: usize, what: &str) -> bool {
        self.differ(caller, to) && self.is_new(20, what)
    }

    /// Whether the caller does not understand a mailbox's answer to such a call.
    pub(super) fn misunderstands_answer(&self, caller: &Caller, to: usize, what: &str) -> bool {
        self.differ(caller, to) && self.is_new(21, what)
    }

    fn differ(&self, caller: &Caller, to: usize) -> bool {
        let from = match caller {
            Caller::Mailbox { object, .. } => *object,
            Caller::Client { .. } => return false,
        };
        self.now < self.mixed_until && self.is_newer(from) != self.is_newer(to)
    }

    fn is_newer(&self, object: usize) -> bool {
        chance(self.plan.seed, &[22, object as u64]).bool()
    }

    /// Whether the versions disagree about a kind of call, or about its answer.
    fn is_new(&self, which: u64, what: &str) -> bool {
        let kind = what
            .bytes()
            .fold(0, |sum: u64, byte| sum.wrapping_mul(31) + u64::from(byte));
        chance(self.plan.seed, &[which, kind]).bool()
    }
}

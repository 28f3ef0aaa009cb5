//! Why a message is withdrawn: its delivery ended, and not by the answer of the device that has the message.
//!
//! It says what the device is told. Not here: whether it is told, which the recipient's mailbox decides.

use serde::{Deserialize, Serialize};

use super::{Delivery, State};

/// The reason of a delivery that was cancelled because enough other devices acknowledged the message.
const ENOUGH: &str = "enough";

/// Why a message is withdrawn from a device.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Withdrawal {
    /// The sender cancelled it.
    #[default]
    Cancelled,
    /// A newer message of the same topic and sender took its place.
    Replaced,
    /// Its TTL ran out.
    Expired,
    /// Enough other devices acknowledged it.
    Enough,
}

impl Withdrawal {
    /// All reasons.
    pub const ALL: [Withdrawal; 4] = [
        Withdrawal::Cancelled,
        Withdrawal::Replaced,
        Withdrawal::Expired,
        Withdrawal::Enough,
    ];

    /// Why this delivery ended; `None` if it is not settled, or the device itself caused its end.
    pub fn of(delivery: &Delivery) -> Option<Self> {
        match delivery.state {
            State::Cancelled if delivery.reason.as_deref() == Some(ENOUGH) => Some(Self::Enough),
            State::Cancelled => Some(Self::Cancelled),
            State::Replaced => Some(Self::Replaced),
            State::Expired => Some(Self::Expired),
            _ => None,
        }
    }

    /// The reason that a cancelled delivery carries; `None` if the sender cancelled it.
    pub fn of_cancelled(self) -> Option<String> {
        (self == Self::Enough).then(|| ENOUGH.to_owned())
    }

    /// Whether it is the reason that a cancellation has if it names none.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_ended_without_the_device_is_withdrawn_from_it() {
        let withdrawn = State::ALL.into_iter().filter(|state| {
            let delivery = Delivery::first("cam".parse().unwrap(), *state, 1);
            Withdrawal::of(&delivery).is_some()
        });
        let withdrawn: Vec<_> = withdrawn.collect();
        assert_eq!(
            withdrawn,
            [State::Expired, State::Replaced, State::Cancelled]
        );
    }

    #[test]
    fn a_cancelled_delivery_remembers_that_it_was_enough() {
        for reason in [Withdrawal::Cancelled, Withdrawal::Enough] {
            let cancelled = Delivery {
                reason: reason.of_cancelled(),
                ..Delivery::first("cam".parse().unwrap(), State::Cancelled, 1)
            };
            assert_eq!(Withdrawal::of(&cancelled), Some(reason));
        }
    }

    #[test]
    fn each_reason_is_written_as_one_word() {
        let words = serde_json::to_string(&Withdrawal::ALL).unwrap();
        assert_eq!(words, r#"["cancelled","replaced","expired","enough"]"#);
    }
}

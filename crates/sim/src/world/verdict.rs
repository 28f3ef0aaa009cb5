//! What a device does about each message: acknowledge, reject, or fail.
//!
//! A device answers every copy of a message in the same way, and keeps the answers that it could not send while it was
//! disconnected.

use serde_json::value::RawValue;
use tagpost_core::call::Call;
use tagpost_core::delivery::State;
use tagpost_core::id::MessageId;
use tagpost_core::mailbox::ConnectionId;
use tagpost_core::time::Millis;

use super::client::Ask;
use super::{Event, World};
use crate::chance::chance;
use crate::claims::{Checked, is_tight};
use crate::plan::{Aftermath, Answers, Manner};

/// The length of a long reply: it takes a page of its own.
const LONG: usize = 1_500;

/// What a device does about a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) id: MessageId,
    /// `delivered` or `rejected`.
    pub(crate) state: State,
    /// The reply as JSON, or the reason.
    pub(crate) words: Option<String>,
    /// Whether it is sent over HTTP, even if there is a socket.
    http: bool,
}

impl Verdict {
    /// One that is not said over a socket.
    pub(super) fn over_http(id: MessageId, state: State, words: Option<String>) -> Self {
        Self {
            id,
            state,
            words,
            http: true,
        }
    }
}

impl World<'_> {
    /// From now on a device behaves like this.
    pub(super) fn behave(&mut self, device: usize, manner: Manner) {
        let before = self.clients[device].manner;
        let stays = self.healed && self.plan.aftermath == Aftermath::Poisoned;
        let answers = match before.answers {
            Answers::Poisoned(one_in) if stays => {
                self.ledger.is_poisoned(device, one_in, self.now);
                before.answers
            }
            _ => manner.answers,
        };
        self.clients[device].manner = Manner { answers, ..manner };
        // Frames that it has not read are lost with the connection, never in the middle of one.
        if before.answers == Answers::Deaf
            && answers != Answers::Deaf
            && let Some(connection) = self.clients[device].connection
        {
            self.breaks_off(device, connection);
        }
    }

    /// Whether a device fails on a message before it answers. If so, it loses its connection.
    pub(super) fn fails_at(
        &mut self,
        device: usize,
        connection: ConnectionId,
        id: MessageId,
    ) -> bool {
        let poisoned = match self.clients[device].manner.answers {
            Answers::Poisoned(one_in) => self.ledger.is_poison(one_in, id),
            _ => false,
        };
        if poisoned {
            self.note(|names| format!("{} fails at {id}", names[device]));
            self.breaks_off(device, connection);
        }
        poisoned
    }

    /// A device loses its connection, and reconnects if its manner is to do so.
    pub(super) fn breaks_off(&mut self, device: usize, connection: ConnectionId) {
        let close = chance(self.plan.seed, &[17, u64::from(connection)]).bool();
        self.client_leaves(connection, close);
        if self.clients[device].connection == Some(connection) {
            self.clients[device].connection = None;
            self.come_back(device);
        }
    }

    /// A device loses its connection and reconnects, repeatedly.
    pub(super) fn flap(&mut self, device: usize, times: u32, pace: Millis) {
        if self.healed || times == 0 {
            return;
        }
        let mut rng = chance(self.plan.seed, &[18, device as u64, self.next]);
        let connection = self.clients[device].connection;
        if let Some(connection) = connection.filter(|_| rng.u32(0..4) > 0) {
            self.clients[device].connection = None;
            self.client_leaves(connection, rng.bool());
        }
        self.connect(device, None);
        let times = times - 1;
        self.after(
            rng.i64(pace / 2..=pace),
            Event::Flap {
                device,
                times,
                pace,
            },
        );
    }

    /// A device decides about a message.
    pub(super) fn decide(&mut self, device: usize, id: MessageId, attempt: u32) {
        let op = u64::from(self.ledger.op_of(id));
        let mut rng = chance(self.plan.seed, &[2, device as u64, op, u64::from(attempt)]);
        let manner = self.clients[device].manner;
        let (delays, state): (Vec<i64>, State) = match manner.answers {
            Answers::Promptly => (vec![rng.i64(1..=20)], State::Delivered),
            Answers::Late(most) => (vec![rng.i64(1..=most)], State::Delivered),
            Answers::Working(most) => {
                let never = rng.u32(0..4) == 0;
                let delay = rng.i64(1..=most);
                self.work(device, id, &mut rng, delay);
                let delays = if never { vec![] } else { vec![delay] };
                (delays, State::Delivered)
            }
            Answers::No => (vec![rng.i64(1..=20)], State::Rejected),
            Answers::Never | Answers::Deaf => (vec![], State::Delivered),
            Answers::Poisoned(one_in) if self.ledger.is_poison(one_in, id) => {
                (vec![], State::Delivered)
            }
            Answers::Poisoned(_) => (vec![rng.i64(1..=20)], State::Delivered),
            Answers::AsItComes => match rng.u32(0..10) {
                0..=3 => (vec![rng.i64(1..=20)], State::Delivered),
                4 | 5 => (vec![rng.i64(1..=8_000)], State::Delivered),
                6 => (vec![rng.i64(1..=3_000)], State::Rejected),
                7 => {
                    self.work(device, id, &mut rng, 3_000);
                    (vec![rng.i64(1..=6_000)], State::Delivered)
                }
                8 => (vec![], State::Delivered),
                _ => (vec![1, rng.i64(1..=2_000)], State::Delivered),
            },
        };
        // Where a sender may not store much, replies take most of it.
        let long = "x".repeat(if is_tight(&self.plan.limits) { LONG } else { 0 });
        let words = rng.bool().then(|| match state {
            State::Rejected => format!("not {op}, \"{attempt}\""),
            _ => format!(r#"{{"r": [{op},  {attempt}], "x": "{long}"}}"#),
        });
        let http = manner.answers == Answers::AsItComes && rng.u32(0..6) == 0;
        let new = Verdict {
            id,
            state,
            words,
            http,
        };
        let verdict = self.clients[device]
            .verdicts
            .entry(id)
            .or_insert(new)
            .clone();
        for delay in delays {
            self.after(
                delay,
                Event::Verdict {
                    device,
                    verdict: verdict.clone(),
                },
            );
        }
    }

    /// A device sends its answer over the socket or over HTTP, or keeps it until it has reconnected.
    pub(super) fn say(&mut self, device: usize, verdict: Verdict) -> Checked {
        if let (Some(connection), false) = (self.speaking(device), verdict.http) {
            self.ledger.verdict(device, &verdict);
            self.client_says(connection, frame(&verdict));
        } else if verdict.http {
            self.ledger.verdict(device, &verdict);
            let Verdict {
                id, state, words, ..
            } = verdict;
            let call = match state {
                State::Rejected => Call::Nack { id, reason: words },
                _ => Call::Ack {
                    id,
                    reply: words.and_then(|words| RawValue::from_string(words).ok()),
                },
            };
            self.ask(device, Ask::Settle, call)?;
        } else {
            self.clients[device].unsaid.push(verdict);
        }
        Ok(())
    }
}

/// The frame of a verdict.
fn frame(verdict: &Verdict) -> String {
    let Verdict {
        id, state, words, ..
    } = verdict;
    let words = match (state, words) {
        (State::Rejected, Some(words)) => {
            format!(r#","reason":{}"#, serde_json::Value::from(words.as_str()))
        }
        (_, Some(words)) => format!(r#","reply":{words}"#),
        (_, None) => String::new(),
    };
    let kind = if *state == State::Rejected {
        "nack"
    } else {
        "ack"
    };
    format!(r#"{{"type":"{kind}","id":"{id}"{words}}}"#)
}

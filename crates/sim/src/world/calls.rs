//! Calls to mailboxes, and the faults that happen to them.
//!
//! A caller gets one answer or one failure: immediately if the platform knows of it, otherwise after its timeout. A
//! call whose caller no longer waits may still arrive.

use std::collections::BTreeMap;
use std::rc::Rc;

use tagpost_core::call::{CLIENT_TIMEOUT, Call, PushReceipt, Pushed, Request, SERVICE_TIMEOUT};
use tagpost_core::mailbox::{CallPurpose, Input};
use tagpost_core::message::Message;
use tagpost_core::problem::Problem;
use tagpost_core::time::Millis;
use tagpost_core::token::Claims;
use tagpost_core::trace::Trace;
use tagpost_core::wake::SubscriptionId;

use super::client::Ask;
use super::versions::UNKNOWN;
use super::{CallId, Event, World};
use crate::chance::{chance, happens};
use crate::claims::{Checked, broken};

/// Who made a call.
#[derive(Debug, Clone)]
pub(super) enum Caller {
    /// A mailbox, for a purpose of the core.
    Mailbox {
        object: usize,
        life: u32,
        purpose: CallPurpose,
    },
    /// A device, or the operator on its behalf.
    Client { device: usize, ask: Ask },
}

/// The answer to a call.
#[derive(Debug, Clone)]
#[expect(
    clippy::large_enum_variant,
    reason = "few answers are under way at a time"
)]
pub(super) enum Reply {
    /// The JSON of an answer between mailboxes.
    Text(String),
    Trace(Trace),
    Traces(Vec<Trace>),
    Messages(Vec<(Message, u32)>),
    Pushed(Pushed),
    PushReceipts(Option<Vec<PushReceipt>>),
    Subscribed(SubscriptionId),
    Problem(Problem),
    Done,
}

/// An unanswered call.
#[derive(Debug)]
pub(super) struct CallState {
    pub(super) caller: Caller,
    /// The token with which it came.
    pub(super) claims: Option<Claims>,
    to: usize,
    what: &'static str,
    fate: Fate,
}

/// A request in the network: its JSON, and the text that goes with it.
#[derive(Debug, Clone)]
pub(super) struct Parcel {
    pub(super) request: String,
    pub(super) enclosed: Option<Rc<str>>,
}

/// What happens to a call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fate {
    pub(super) way: Millis,
    pub(super) way_back: Millis,
    pub(super) lost: bool,
    pub(super) answer_lost: bool,
    /// After what time it arrives again, if it does.
    again: Option<Millis>,
    /// Whether the caller learns of a loss immediately.
    abrupt: bool,
}

/// How often each call or handshake was tried; each try has a fate of its own.
#[derive(Debug, Default)]
pub(super) struct Fates(BTreeMap<[u64; 4], u64>);

impl World<'_> {
    /// The fate of the next try.
    pub(super) fn fate(&mut self, from: usize, to: usize, what: &str, subject: u64) -> Fate {
        let what = what
            .bytes()
            .fold(0, |sum: u64, byte| sum.wrapping_mul(31) + u64::from(byte));
        let key = [from as u64, to as u64, what, subject];
        let tries = self.fates.0.entry(key).or_default();
        *tries += 1;
        let mut rng = chance(self.plan.seed, &[1, key[0], key[1], what, subject, *tries]);
        let weather = self.weather();
        let mut way = || {
            let slow = happens(&mut rng, weather.slow);
            1 + rng.i64(0..=weather.latency)
                + if slow {
                    rng.i64(0..=weather.slow_by)
                } else {
                    0
                }
        };
        let (way, way_back, later) = (way(), way(), way());
        Fate {
            way,
            way_back,
            lost: happens(&mut rng, weather.lost_requests),
            answer_lost: happens(&mut rng, weather.lost_answers),
            again: happens(&mut rng, weather.repeated).then_some(later),
            abrupt: rng.bool(),
        }
    }

    /// Makes a call.
    pub(super) fn call(
        &mut self,
        caller: Caller,
        to: usize,
        claims: Option<Claims>,
        call: Call,
        enclosed: Option<Rc<str>>,
    ) -> Checked {
        let (from, operator) = match &caller {
            Caller::Mailbox { object, .. } => (*object, false),
            Caller::Client { device, ask } => (
                self.plan.devices + self.plan.crowd + device,
                matches!(ask, Ask::Operator),
            ),
        };
        let what = call.name();
        let message: Option<Message> = match (&call, &enclosed) {
            (Call::Deliver { .. }, Some(text)) => Some(serde_json::from_str(text).map_err(broken)?),
            _ => None,
        };
        let subject = match &caller {
            Caller::Client {
                ask: Ask::Push(op), ..
            } => u64::from(*op),
            _ => self.ledger.subject(&call, message.as_ref()),
        };
        let mut fate = self.fate(from, to, what, subject);
        if operator {
            fate.lost = false;
            fate.answer_lost = false;
        }
        let patience = match caller {
            Caller::Client { .. } => {
                fate.again = None;
                CLIENT_TIMEOUT
            }
            _ => SERVICE_TIMEOUT,
        };
        let patience = patience + call.wait();
        let request = Request {
            device: self.names[to].clone(),
            caller: claims.clone(),
            call,
        };
        if let Some(message) = &message {
            self.ledger.leaves(from, to, message)?;
        }
        let request = serde_json::to_string(&request).map_err(broken)?;
        self.next += 1;
        let id = self.next;
        let sender = match &caller {
            Caller::Client { .. } => "someone".to_owned(),
            _ => self.names[from].to_string(),
        };
        self.note(|names| {
            let lost = if fate.lost { " (lost)" } else { "" };
            format!(
                "{sender} -> {}: call {id}: {what}{lost} {}",
                names[to],
                brief(&request)
            )
        });
        self.calls.insert(
            id,
            CallState {
                caller,
                claims,
                to,
                what,
                fate,
            },
        );
        if fate.lost {
            let learns = if fate.abrupt { fate.way } else { patience };
            self.after(
                learns,
                Event::Returns {
                    call: id,
                    reply: None,
                },
            );
        } else {
            let parcel = Parcel { request, enclosed };
            let copy = fate.again.map(|later| (later, parcel.clone()));
            self.after(
                fate.way,
                Event::Arrives {
                    call: id,
                    to,
                    parcel,
                    copy,
                },
            );
            self.after(
                patience,
                Event::Returns {
                    call: id,
                    reply: None,
                },
            );
        }
        Ok(())
    }

    /// Whether the caller still waits for the answer.
    pub(super) fn is_awaited(&self, call: CallId) -> bool {
        match self.calls.get(&call).map(|state| &state.caller) {
            Some(Caller::Mailbox { object, life, .. }) => self.objects[*object].life == *life,
            Some(Caller::Client { .. }) => true,
            None => false,
        }
    }

    /// Answers a call, if its caller still waits.
    pub(super) fn reply(&mut self, call: CallId, reply: Reply) -> Checked {
        let Some(CallState {
            fate, claims, to, ..
        }) = self.calls.get(&call)
        else {
            return Ok(());
        };
        let fate = *fate;
        if let (Some(claims), false) = (claims, matches!(reply, Reply::Problem(_))) {
            let now = self.now + self.objects[*to].skew;
            self.ledger.answering(*to, claims, now)?;
        }
        if !fate.answer_lost {
            self.after(
                fate.way_back,
                Event::Returns {
                    call,
                    reply: Some(Box::new(reply)),
                },
            );
        } else if fate.abrupt {
            self.after(fate.way_back, Event::Returns { call, reply: None });
        }
        Ok(())
    }

    /// The mailbox failed before it answered.
    pub(super) fn fail(&mut self, call: CallId) {
        if let Some(CallState { fate, .. }) = self.calls.get(&call) {
            let way_back = fate.way_back;
            self.after(way_back, Event::Returns { call, reply: None });
        }
    }

    /// A caller gets the answer to its call, or learns that there is none.
    pub(super) fn returned(&mut self, call: CallId, reply: Option<Reply>) -> Checked {
        let Some(CallState {
            caller, to, what, ..
        }) = self.calls.remove(&call)
        else {
            return Ok(());
        };
        self.note(|names| match &reply {
            Some(Reply::Text(text)) => format!(
                "call {call} ({what}) of {} is answered: {}",
                names[to],
                brief(text)
            ),
            Some(reply) => format!(
                "call {call} ({what}) of {} is answered: {}",
                names[to],
                brief(&format!("{reply:?}"))
            ),
            None => format!("call {call} ({what}) of {} is not answered", names[to]),
        });
        let unheard_of = self.misunderstands_answer(&caller, to, what);
        match caller {
            Caller::Mailbox {
                object,
                life,
                purpose,
            } => {
                if !self.is_answered(object, life) {
                    return Ok(());
                }
                let text = match &reply {
                    Some(Reply::Text(_)) if unheard_of => Some(UNKNOWN),
                    Some(Reply::Text(text)) => Some(text.as_str()),
                    _ => None,
                };
                let input = Input::Returned {
                    from: self.names[to].clone(),
                    purpose,
                    answer: text.map(str::to_owned),
                };
                self.event(object, input).map(drop)
            }
            Caller::Client { device, ask } => self.client_returned(device, ask, reply),
        }
    }
}

/// The beginning of a text.
fn brief(text: &str) -> &str {
    text.get(..240).unwrap_or(text)
}

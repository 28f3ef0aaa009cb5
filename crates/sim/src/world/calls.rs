//! Calls to mailboxes, and what becomes of them on the way.
//!
//! A caller learns an answer once, or that there is none: at once where the platform knows, else when
//! its timeout ends. A call that nobody waits for any more may still arrive.

use std::collections::BTreeMap;
use std::rc::Rc;

use tagpost_core::call::{Call, DeliveryStatus, Request};
use tagpost_core::delivery::Delivery;
use tagpost_core::mailbox::CallPurpose;
use tagpost_core::message::Message;
use tagpost_core::problem::Problem;
use tagpost_core::time::Millis;
use tagpost_core::token::Claims;
use tagpost_core::trace::{self, Trace};

use super::client::Ask;
use super::serve::problem_or;
use super::versions::UNKNOWN;
use super::{CallId, Event, World};
use crate::chance::{chance, happens};
use crate::claims::{Checked, broken};

/// How long a mailbox may take beyond what it was asked to wait, as in the Worker's `src/stub.rs`.
const CALL_TIMEOUT: Millis = 10_000;
/// The same where a mailbox calls another.
const OWN_CALL_TIMEOUT: Millis = 4_000;

/// Who asks.
#[derive(Debug, Clone)]
pub(super) enum Caller {
    /// A mailbox, for an purpose of the core.
    Mailbox {
        object: usize,
        life: u32,
        purpose: CallPurpose,
    },
    /// A mailbox, for a trace that this call waits for.
    Look {
        object: usize,
        life: u32,
        of: CallId,
    },
    /// A device, or the operator on its behalf.
    Client { device: usize, ask: Ask },
}

/// What a call is answered.
#[derive(Debug, Clone)]
pub(super) enum Reply {
    /// The JSON that mailboxes answer each other.
    Text(String),
    Trace(Trace),
    Traces(Vec<Trace>),
    Messages(Vec<(Message, u32)>),
    Problem(Problem),
    Done,
}

/// A call that is not answered.
#[derive(Debug)]
pub(super) struct CallState {
    pub(super) caller: Caller,
    /// The token with which it came.
    pub(super) claims: Option<Claims>,
    to: usize,
    what: &'static str,
    fate: Fate,
}

/// What travels: the JSON of a request, and what goes beside it.
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
    /// How much later it arrives once more, if it does.
    again: Option<Millis>,
    /// Whether the caller learns of a loss at once.
    abrupt: bool,
}

/// How often each thing was tried; each try has a fate of its own.
#[derive(Debug, Default)]
pub(super) struct Fates(BTreeMap<[u64; 4], u64>);

impl World<'_> {
    /// The fate of the next try of something.
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
            Caller::Mailbox { object, .. } | Caller::Look { object, .. } => (*object, false),
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
        let subject = self.ledger.subject(&call, message.as_ref());
        let mut fate = self.fate(from, to, what, subject);
        if operator {
            fate.lost = false;
            fate.answer_lost = false;
        }
        let patience = match caller {
            Caller::Client { .. } => {
                fate.again = None;
                CALL_TIMEOUT
            }
            _ => OWN_CALL_TIMEOUT,
        };
        let patience = patience + wait(&call);
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

    /// Whether somebody still waits for the answer to a call.
    pub(super) fn is_awaited(&self, call: CallId) -> bool {
        match self.calls.get(&call).map(|state| &state.caller) {
            Some(Caller::Mailbox { object, life, .. } | Caller::Look { object, life, .. }) => {
                self.objects[*object].life == *life
            }
            Some(Caller::Client { .. }) => true,
            None => false,
        }
    }

    /// Answers a call, if anyone still waits for it.
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
                    reply: Some(reply),
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

    /// A caller learns what came of its call.
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
                if self.objects[object].life != life {
                    return Ok(());
                }
                self.objects[object].calls_out -= 1;
                self.keep_awake(object);
                let text = match &reply {
                    Some(Reply::Text(_)) if unheard_of => Some(UNKNOWN),
                    Some(Reply::Text(text)) => Some(text.as_str()),
                    _ => None,
                };
                let from = self.names[to].clone();
                self.event(object, |mailbox, now| {
                    mailbox.returned(&from, purpose, text, now)
                })
                .map(drop)
            }
            Caller::Look { object, life, of } => {
                if self.objects[object].life != life {
                    return Ok(());
                }
                let delivered = match &reply {
                    Some(Reply::Text(text)) if !unheard_of => serde_json::from_str(text).ok(),
                    _ => None,
                };
                self.looked(object, of, delivered)
            }
            Caller::Client { device, ask } => self.client_returned(device, ask, reply),
        }
    }

    fn looked(
        &mut self,
        object: usize,
        call: CallId,
        delivered: Option<DeliveryStatus>,
    ) -> Checked {
        let looking = &mut self.objects[object].waiting.looking;
        let Some((trace, open)) = looking.get_mut(&call) else {
            return Ok(());
        };
        if let Some(DeliveryStatus::Known(delivery)) = delivered {
            trace.learn(delivery);
        }
        *open -= 1;
        if *open == 0
            && let Some((mut trace, _)) = looking.remove(&call)
        {
            let id = trace.id;
            let Some(recorded) = self.event(object, |mailbox, _| {
                problem_or(mailbox.trace(id, None, page(call)))
            })?
            else {
                self.failed(call)?;
                return Ok(());
            };
            // A terminal state that was reported meanwhile stays.
            if let Ok((recorded, _)) = recorded {
                let said = std::mem::replace(&mut trace, recorded).deliveries;
                let reached = said.into_iter().filter(Delivery::is_reached);
                reached.for_each(|delivery| trace.learn(delivery));
            }
            return self.answer_if_admitted(object, call, Reply::Trace(trace));
        }
        Ok(())
    }
}

/// How many deliveries are on the page of a trace that is asked for: now and then few.
pub(super) fn page(call: CallId) -> u32 {
    match call % 4 {
        0 => 1 + (call as u32 / 4) % 120,
        _ => trace::PAGE,
    }
}

/// How long the call asks the mailbox to wait.
fn wait(call: &Call) -> Millis {
    match call {
        Call::Publish { wait, .. } => i64::from(*wait) * 1000,
        Call::Trace { wait, .. } | Call::Inbox { wait, .. } => i64::from(*wait) * 1000,
        Call::Deliver { wait, .. } => i64::from(*wait),
        _ => 0,
    }
}

/// The beginning of a text.
fn brief(text: &str) -> &str {
    text.get(..240).unwrap_or(text)
}

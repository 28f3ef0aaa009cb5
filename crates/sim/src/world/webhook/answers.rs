//! What an address does about a request, and what it answers.

use fastrand::Rng;
use tagpost_core::delivery::State;
use tagpost_core::id::MessageId;
use tagpost_core::mailbox::PostPurpose;
use tagpost_core::protocol::Receipt;
use tagpost_core::time::Millis;
use tagpost_core::webhook::{PostError, PostResponse};

use super::Outcome;
use crate::chance::chance;
use crate::claims::Checked;
use crate::plan::Conduct;
use crate::world::verdict::Verdict;
use crate::world::{Event, World};

/// What addresses say in `Retry-After`, in seconds.
const RETRY_AFTER: [Option<u32>; 6] = [None, Some(0), Some(7), Some(60), Some(600), Some(7_200)];
/// For how many seconds they say that they work on a message.
const WORKS: [u32; 4] = [1, 5, 60, 7_200];
/// How much later than the time of a request its answer is handled at most, if the mailbox is slow.
const OVERDUE: Millis = 40_000;

/// A request.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) object: usize,
    pub(super) purpose: PostPurpose,
    /// What is in it.
    pub(super) receipts: Vec<Receipt>,
    pub(super) timeout: Millis,
}

/// What an address does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Does {
    Takes,
    Works,
    Rejects,
    IsGone,
    IsBusy,
    Fails,
    Hangs,
    /// It cannot be reached.
    IsAway,
    /// It redirects.
    Redirects,
    /// It takes the message, and nobody learns of it.
    TakesInVain,
}

impl World<'_> {
    /// An address is asked. Returns what the mailbox is told, if anything, and after how long.
    pub(super) fn ask_address(
        &mut self,
        asked: &Asked,
        conduct: Conduct,
    ) -> Checked<(Outcome, Millis)> {
        let Asked {
            object,
            purpose,
            timeout,
            ..
        } = *asked;
        // The same attempt has the same fate, unless the mailbox has failed.
        let subject = match purpose {
            PostPurpose::Message { id, attempt } => {
                let life = u64::from(self.objects[object].life);
                [u64::from(self.ledger.op_of(id)), u64::from(attempt), life]
            }
            PostPurpose::Receipts { .. } | PostPurpose::Test(_) => [0, 0, self.next],
        };
        let [op, attempt, life] = subject;
        let rng = &mut chance(self.plan.seed, &[42, object as u64, op, attempt, life]);
        let latency = self.weather().latency.min(timeout - 1);
        let (does, takes) = does(rng, conduct, timeout, latency);
        let is_late = takes > timeout;
        // A mailbox that is slow handles an answer later that has come in time.
        let is_overdue = is_late && rng.u32(0..3) == 0 && !self.healed;
        let outcome = match does {
            Does::Takes | Does::TakesInVain => Ok(self.takes(asked, rng)?),
            Does::Works => Ok(self.works(asked, rng)?),
            Does::Rejects => Ok(self.rejects(asked, rng)),
            Does::IsGone => Ok(status(410)),
            Does::IsBusy => Ok(PostResponse {
                retry_after: RETRY_AFTER[rng.usize(0..RETRY_AFTER.len())],
                ..status(if rng.bool() { 429 } else { 503 })
            }),
            Does::Fails => Ok(status([500, 404, 400, 502][rng.usize(0..4)])),
            Does::Hangs => Err(PostError::Timeout),
            Does::IsAway => Err(PostError::Connect),
            Does::Redirects => Err(PostError::Redirect),
        };
        let outcome = match does {
            Does::TakesInVain => None,
            _ if is_late && !is_overdue => Some(Err(PostError::Timeout)),
            _ => Some(outcome),
        };
        let took = if is_overdue {
            takes
        } else {
            takes.min(timeout)
        };
        Ok((outcome, took))
    }

    /// It takes a message, perhaps with a reply, or receipts.
    fn takes(&mut self, asked: &Asked, rng: &mut Rng) -> Checked<PostResponse> {
        let object = asked.object;
        let response = status([200, 201, 202, 204][rng.usize(0..4)]);
        let (id, attempt) = match asked.purpose {
            PostPurpose::Message { id, attempt } => (id, attempt),
            PostPurpose::Receipts { .. } | PostPurpose::Test(_) => {
                self.ledger.address_takes(object, &asked.receipts)?;
                return Ok(response);
            }
        };
        let op = self.ledger.op_of(id);
        let (content_type, body, words) = match rng.u32(0..3) {
            0 => (None, String::new(), None),
            1 => {
                let json = format!(r#"{{"r": [{op},  {attempt}]}}"#);
                (Some("application/json"), json.clone(), Some(json))
            }
            _ => {
                let text = format!("took {op}, \"{attempt}\"");
                let words = serde_json::Value::from(text.as_str()).to_string();
                (Some("text/plain"), text, Some(words))
            }
        };
        self.decides(object, id, State::Delivered, words);
        Ok(PostResponse {
            content_type: content_type.map(str::to_owned),
            body: body.into_bytes(),
            ..response
        })
    }

    /// It works on a message. Later it acknowledges it over HTTP, or is asked again. Receipts it has seen.
    fn works(&mut self, asked: &Asked, rng: &mut Rng) -> Checked<PostResponse> {
        let seconds = WORKS[rng.usize(0..WORKS.len())];
        let device = asked.object;
        match asked.purpose {
            PostPurpose::Message { id, .. } if rng.bool() => {
                let verdict = Verdict::over_http(id, State::Delivered, None);
                let delay = rng.i64(1..=20_000);
                self.after(delay, Event::Verdict { device, verdict });
            }
            PostPurpose::Message { .. } | PostPurpose::Test(_) => {}
            PostPurpose::Receipts { .. } => self.ledger.address_takes(device, &asked.receipts)?,
        }
        Ok(PostResponse {
            retry_after: Some(seconds),
            ..status(202)
        })
    }

    /// It rejects a message, perhaps for a reason.
    fn rejects(&mut self, asked: &Asked, rng: &mut Rng) -> PostResponse {
        let PostPurpose::Message { id, attempt } = asked.purpose else {
            return status(422);
        };
        let op = self.ledger.op_of(id);
        let reason = rng.bool().then(|| format!("not {op}, \"{attempt}\""));
        self.decides(asked.object, id, State::Rejected, reason.clone());
        PostResponse {
            body: reason.unwrap_or_default().into_bytes(),
            ..status(422)
        }
    }

    fn decides(&mut self, device: usize, id: MessageId, state: State, words: Option<String>) {
        let verdict = Verdict::over_http(id, state, words);
        self.ledger.verdict(device, &verdict);
    }
}

/// What an address does, and after how long. It has `timeout` milliseconds.
fn does(rng: &mut Rng, conduct: Conduct, timeout: Millis, latency: Millis) -> (Does, Millis) {
    let soon = rng.i64(1..=latency + 1);
    match conduct {
        Conduct::Takes => (Does::Takes, soon),
        Conduct::Late(most) => (Does::Takes, rng.i64(1..=most)),
        Conduct::Works => (Does::Works, soon),
        Conduct::Rejects => (Does::Rejects, soon),
        Conduct::Gone => (Does::IsGone, soon),
        Conduct::Busy => (Does::IsBusy, soon),
        Conduct::Fails => (Does::Fails, soon),
        Conduct::Hangs => (Does::Hangs, timeout),
        Conduct::Absent if rng.bool() => (Does::IsAway, soon),
        Conduct::Absent => (Does::Redirects, soon),
        Conduct::AsItComes => match rng.u32(0..32) {
            0..=10 => (Does::Takes, soon),
            11..=13 => (Does::Takes, rng.i64(1..=timeout * 2)),
            14..=15 => (Does::Takes, timeout + rng.i64(1..=OVERDUE)),
            16..=17 => (Does::Rejects, soon),
            18..=19 => (Does::Works, soon),
            20..=21 => (Does::IsBusy, soon),
            22..=24 => (Does::Fails, soon),
            25..=26 => (Does::Hangs, timeout),
            27 => (Does::IsAway, soon),
            28 => (Does::Redirects, soon),
            29..=30 => (Does::TakesInVain, soon),
            _ => (Does::IsGone, soon),
        },
    }
}

fn status(status: u16) -> PostResponse {
    PostResponse {
        status,
        ..PostResponse::default()
    }
}

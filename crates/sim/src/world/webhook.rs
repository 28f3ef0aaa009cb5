//! Devices that are addresses: servers that are asked, and what they answer.
//!
//! An address takes a message, says that it works on it, rejects it, asks to be left alone, fails, is gone, cannot be
//! reached, or says nothing in time. What it has done it has done, even if its answer comes too late, or the mailbox
//! fails before it has committed it. An answer that the platform loses never comes.

mod answers;
mod secrets;

use serde::Deserialize;
use serde_json::value::RawValue;
use tagpost_core::call::Call;
use tagpost_core::id::DeviceId;
use tagpost_core::mailbox::{Chain, Input, PostPurpose};
use tagpost_core::protocol::Receipt;
use tagpost_core::time::Millis;
use tagpost_core::webhook::{Post, PostError, PostResponse, Secret, Service, Setting};

use self::answers::Asked;
use super::client::Ask;
use super::push::ORIGIN;
use super::sockets::ToMailbox;
use super::{Event, World};
use crate::claims::{Checked, Posted, broken, claim};
use crate::plan::{Conduct, Hook, WebhookOp};

/// How many requests an event of the platform may lead to, all together.
const MOST_REQUESTS: u32 = 50;

/// What a mailbox is told of a request: the answer, or why there is none; `None` if not even that.
type Outcome = Option<Result<PostResponse, PostError>>;

/// A request to an address, and what came of it.
#[derive(Debug)]
pub(super) struct Request {
    purpose: PostPurpose,
    chain: Chain,
    /// The event of the platform that has led to it.
    origin: u64,
    outcome: Outcome,
    took: Millis,
}

impl World<'_> {
    /// Carries out an operation of webhooks.
    pub(super) fn webhook(&mut self, op: u32, what: &WebhookOp) -> Checked {
        match *what {
            WebhookOp::Set { device, own, hook } => {
                let setting = setting(device, hook)?;
                let secret = secret(op)?;
                let ask = if own { Ask::Settle } else { Ask::Operator };
                self.ask(device, ask, Call::SetWebhook { setting, secret })
            }
            WebhookOp::Remove { device } => self.ask(device, Ask::Operator, Call::RemoveWebhook),
            WebhookOp::Rotate { device } => {
                let secret = secret(op)?;
                self.ask(device, Ask::Operator, Call::RotateWebhook { secret })
            }
            WebhookOp::Test { device } => self.ask(device, Ask::Operator, Call::TestWebhook),
            WebhookOp::Conduct {
                device,
                address,
                conduct,
            } => {
                self.conducts.insert((device, address), conduct);
                Ok(())
            }
            WebhookOp::CrashAtAnswer { device, moment } => {
                self.objects[device].answer_doom = Some(moment);
                Ok(())
            }
        }
    }

    /// A mailbox makes a request to an address.
    pub(super) fn post(
        &mut self,
        object: usize,
        purpose: PostPurpose,
        chain: Chain,
        post: &Post,
    ) -> Checked {
        let origin = self.origin;
        let count = self.requests.entry(origin).or_default();
        *count += 1;
        let count = *count;
        claim(
            "an event of the platform leads to no more requests than it permits",
            count <= MOST_REQUESTS,
            || format!("device {object}: {purpose:?} is request {count}"),
        )?;
        let host = &mut self.objects[object];
        host.under_way += 1;
        let life = host.life;
        self.is_signed(object, post)?;
        let receipts = self.is_posted(object, purpose, post)?;
        let conduct = match self.healed {
            true => Conduct::Takes,
            false => self.conduct_of(object, &post.url),
        };
        let asked = Asked {
            object,
            purpose,
            receipts,
            timeout: post.timeout,
        };
        let (outcome, took) = self.ask_address(&asked, conduct)?;
        self.note(|names| {
            let seen = match &outcome {
                Some(Ok(response)) => response.status.to_string(),
                Some(Err(error)) => error.name().to_owned(),
                None => "nothing, ever".to_owned(),
            };
            let (name, url) = (&names[object], &post.url);
            format!(
                "{name} posts {purpose:?} to {url}, which does as {conduct:?}: {seen} in {took} ms"
            )
        });
        let request = Box::new(Request {
            purpose,
            chain,
            origin,
            outcome,
            took,
        });
        let answered = Event::Posted {
            object,
            life,
            request,
        };
        self.after(took, answered);
        Ok(())
    }

    /// A request is as it should be. Returns its receipts.
    fn is_posted(
        &mut self,
        object: usize,
        purpose: PostPurpose,
        post: &Post,
    ) -> Checked<Vec<Receipt>> {
        let host = &self.objects[object];
        let (losses, lives, now) = (host.losses, host.life, self.now + host.skew);
        match purpose {
            PostPurpose::Test(_) => Ok(Vec::new()),
            PostPurpose::Receipts { batch, seq } => {
                let receipts = receipts_in(&post.body)?;
                let (request, time) = ((batch, seq), (now, post.timeout));
                self.ledger
                    .receipts_posted(object, &post.url, request, &receipts, time)?;
                Ok(receipts)
            }
            PostPurpose::Message { id, attempt } => {
                claim(
                    "a request says which message it is about, and how often it was sent",
                    header(post, "webhook-id") == id.to_string()
                        && header(post, "tagpost-attempt") == attempt.to_string(),
                    || format!("{id}, {attempt}: {:?}", post.headers),
                )?;
                let from: DeviceId = header(post, "tagpost-from").parse().map_err(broken)?;
                let from = self.places[&from];
                let expires_at = header(post, "tagpost-expires-at");
                let posted = Posted {
                    id,
                    attempt,
                    url: &post.url,
                    from,
                    op: op_in(&post.body)?,
                    expires_at: expires_at.parse().map_err(broken)?,
                    timeout: post.timeout,
                    losses,
                    lives,
                    now,
                };
                self.ledger.posted(object, &posted)?;
                Ok(Vec::new())
            }
        }
    }

    /// How the address with this URL behaves.
    fn conduct_of(&self, device: usize, url: &str) -> Conduct {
        let address = url.rsplit('/').next().and_then(|text| text.parse().ok());
        let known = address.and_then(|address: u32| self.conducts.get(&(device, address)));
        known.copied().unwrap_or(Conduct::Takes)
    }

    /// After the last fault a device does without sockets: its address takes everything, or nothing is left to do. The
    /// service learns of the end of each, also of those that the device has not noticed.
    pub(super) fn ends_its_sockets(&mut self, device: usize) {
        self.clients[device].connection = None;
        for connection in self.objects[device].sockets.clone() {
            self.client_leaves(connection, false);
            self.up(connection, ToMailbox::Closed);
        }
    }

    /// An answer of an address reaches the mailbox that has asked.
    pub(super) fn address_answers(
        &mut self,
        object: usize,
        life: u32,
        request: Request,
    ) -> Checked {
        if !self.is_answered(object, life) {
            return Ok(());
        }
        let Request {
            purpose,
            chain,
            origin,
            outcome,
            took,
        } = request;
        let Some(outcome) = outcome else {
            self.note(|names| format!("an answer to {} is lost: {purpose:?}", names[object]));
            return Ok(());
        };
        self.note(|names| format!("an answer reaches {}: {purpose:?}", names[object]));
        self.origin = origin;
        let host = &mut self.objects[object];
        host.doom = host.answer_doom.take().or(host.doom);
        let now = self.now + host.skew;
        let answered = self.ledger.address_answers(object, purpose, &outcome, now);
        let input = Input::Posted {
            purpose,
            chain,
            outcome,
            millis: u32::try_from(took).unwrap_or(u32::MAX),
        };
        match (self.event(object, input)?, answered) {
            (Some(()), Some(answered)) => self.ledger.answer_is_taken(object, answered)?,
            (None, Some(answered)) => self.ledger.answer_is_lost(object, answered),
            (_, None) => {}
        }
        // After the last fault it may have turned out to be gone.
        self.connect_finally(object);
        Ok(())
    }
}

/// What a device sets.
fn setting(device: usize, hook: Hook) -> Checked<Setting> {
    let Hook {
        address,
        width,
        timeout,
        messages,
        receipts,
    } = hook;
    let events = [("message", messages), ("receipt", receipts)];
    let events = events.iter().filter(|(_, wanted)| *wanted);
    let events: Vec<&str> = events.map(|(name, _)| *name).collect();
    let body = serde_json::json!({
        "url": format!("https://hooks.example/{device}/{address}"),
        "max_in_flight": width, "timeout": timeout, "events": events,
    });
    let service = Service {
        own: [ORIGIN; 2],
        is_local: false,
    };
    Setting::read(body.to_string().as_bytes(), service).map_err(broken)
}

/// A secret of its own for each operation.
fn secret(op: u32) -> Checked<Secret> {
    let bytes = op.to_be_bytes().repeat(8);
    Secret::new(&bytes).map_err(broken)
}

fn header<'a>(post: &'a Post, name: &str) -> &'a str {
    let mut headers = post.headers.iter();
    let found = headers.find(|(known, _)| *known == name);
    found.map_or("", |(_, value)| value)
}

/// The number that a payload carries: the publish behind the message.
fn op_in(body: &[u8]) -> Checked<u32> {
    #[derive(Deserialize)]
    struct Payload {
        n: u32,
    }
    let payload: Payload = serde_json::from_slice(body).map_err(broken)?;
    Ok(payload.n)
}

/// The receipts of a request: one, or a list.
fn receipts_in(body: &[u8]) -> Checked<Vec<Receipt>> {
    #[derive(Deserialize)]
    struct Body {
        r#type: String,
        data: Box<RawValue>,
    }
    let body: Body = serde_json::from_slice(body).map_err(broken)?;
    let data = body.data.get();
    match body.r#type.as_str() {
        "receipt" => Ok(vec![serde_json::from_str(data).map_err(broken)?]),
        "receipts" => serde_json::from_str(data).map_err(broken),
        other => Err(broken(format!("a request of the type {other:?}"))),
    }
}

//! Publishing, once and again.

use tagpost_core::call::Call;
use tagpost_core::id::MessageId;
use tagpost_core::message::Target;
use tagpost_core::publish::{DELIVER_AT, Draft};

use super::calls::Caller;
use super::client::Ask;
use super::{Event, World};
use crate::claims::{Checked, broken};
use crate::plan::{Action, Later, Publication, To};

impl World<'_> {
    pub(super) fn published(&self, op: u32) -> Option<(usize, MessageId)> {
        let publication = self.publication(op)?;
        let id = self.clients[publication.sender].published.get(&op)?;
        Some((publication.sender, *id))
    }

    fn publication(&self, number: u32) -> Option<&Publication> {
        self.plan
            .ops
            .iter()
            .find(|op| op.number == number)
            .and_then(|op| match &op.action {
                Action::Publish(publication) => Some(publication),
                _ => None,
            })
    }

    pub(super) fn publish_again(&mut self, op: u32, repeats: u32) -> Checked {
        match self.publication(op).cloned() {
            Some(publication) if publication.key.is_some() => {
                let over_http = Publication {
                    frame: false,
                    ..publication
                };
                self.publish(op, &over_http, repeats)
            }
            _ => Ok(()),
        }
    }

    /// A publish was not answered: it is repeated if it has a key.
    pub(super) fn repeat_unanswered(&mut self, op: u32, repeats: u32) -> Checked {
        let answered = self.publication(op).is_some_and(|publication| {
            self.clients[publication.sender].published.contains_key(&op)
        });
        if answered || repeats == 0 || self.has_left(op) {
            return Ok(());
        }
        self.publish_again(op, repeats - 1)
    }

    /// The sender of a publish.
    pub(super) fn sender_of(&self, op: u32) -> Option<usize> {
        self.publication(op).map(|publication| publication.sender)
    }

    /// Whether the sender of a publish is removed for good.
    fn has_left(&self, op: u32) -> bool {
        let sender = self.sender_of(op);
        self.healed && sender.is_some_and(|sender| !self.ledger.is_bound(sender))
    }

    /// A target by its name.
    fn target(&self, to: To) -> Checked<Target> {
        Ok(match to {
            To::Device(device) => Target::Device(self.names[device].clone()),
            To::Tag(tag) => Target::Tag(format!("tag{tag}").parse().map_err(broken)?),
            To::Without(tag, device) => {
                let text = format!("tag{tag} & !@{}", self.names[device]);
                Target::Match(text.parse().map_err(broken)?)
            }
        })
    }

    pub(super) fn publish(
        &mut self,
        number: u32,
        publication: &Publication,
        repeats: u32,
    ) -> Checked {
        let sender = publication.sender;
        self.ledger.publishes(number, self.now);
        let payload = format!(
            r#"{{"n":{number},"x":"{}"}}"#,
            "x".repeat(publication.padding)
        );
        let to = self.target(publication.to)?;
        let steps: Vec<(Target, u32)> = publication
            .steps
            .iter()
            .map(|(to, after)| Ok((self.target(*to)?, *after)))
            .collect::<Checked<_>>()?;
        let urgency = serde_json::to_value(publication.urgency).map_err(broken)?;
        let topic = publication.topic.map(|topic| format!("topic{topic}"));
        let key = publication.key.map(|key| format!("key {key}"));
        let (delay, deliver_at) = match publication.later {
            Some(Later::Delay(seconds)) => (Some(seconds), None),
            Some(Later::At(ahead)) => (None, Some(self.now + ahead)),
            None => (None, None),
        };
        let connection = self.speaking(sender);
        if let (Some(connection), true) = (connection, publication.frame) {
            let mut frame = serde_json::json!({
                "type": "publish", "ref": number.to_string(), "ttl": publication.ttl, "topic": topic,
                "urgency": urgency, "wait": publication.wait, "idempotency_key": key,
                "echo": publication.echo, "acks_needed": publication.acks, "delay": delay,
                "deliver_at": deliver_at,
            });
            if !steps.is_empty() {
                let steps = steps.iter();
                let steps = steps.map(|(to, after)| serde_json::json!({"to": to, "after": after}));
                frame["escalate"] = steps.collect();
            }
            frame["to"] = serde_json::to_value(&to).map_err(broken)?;
            frame["payload"] = serde_json::from_str(&payload).map_err(broken)?;
            self.client_says(connection, frame.to_string());
            let patience = i64::from(publication.wait) * 1000 + 12_000;
            self.after(
                patience,
                Event::Unanswered {
                    op: number,
                    repeats,
                },
            );
            return Ok(());
        }
        let header = |name: &str| match name {
            "Content-Type" => Some("application/json".to_owned()),
            "TTL" => Some(publication.ttl.to_string()),
            "Topic" => topic.clone(),
            "Urgency" => urgency.as_str().map(str::to_owned),
            "Prefer" => Some(format!("wait={}", publication.wait)),
            "Idempotency-Key" => key.clone(),
            "Echo" => Some(publication.echo.to_string()),
            "Delay" => delay.map(|seconds| seconds.to_string()),
            "Deliver-At" => deliver_at.map(|at| at.to_string()),
            "Escalate" => escalate(&steps),
            "Acks-Needed" => publication.acks.map(|acks| acks.to_string()),
            _ => None,
        };
        let draft =
            Draft::from_http(header, payload.as_bytes(), &self.plan.limits).map_err(broken)?;
        let draft = draft.at(self.now, DELIVER_AT).map_err(broken)?;
        let devices = match draft.when {
            Some(_) => Vec::new(),
            None => self.find(sender, &to),
        };
        let ask = Ask::Publish {
            op: number,
            repeats,
        };
        let wait = draft.wait;
        let draft = serde_json::to_string(&draft).map_err(broken)?;
        self.call(
            Caller::Client {
                device: sender,
                ask,
            },
            sender,
            Some(self.token(sender)),
            Call::Publish { to, devices, wait },
            Some(draft.into()),
        )?;
        Ok(())
    }
}

/// The header with these steps, if there are any.
fn escalate(steps: &[(Target, u32)]) -> Option<String> {
    let step = |(to, after): &(Target, u32)| format!("{to};after={after}");
    let steps: Vec<String> = steps.iter().map(step).collect();
    (!steps.is_empty()).then(|| steps.join(", "))
}

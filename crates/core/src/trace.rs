//! A message as its sender sees it: every delivery, and when each of its steps was.
//!
//! The answer to a publish and the trace are two views of the same. Who may see them, and for how long
//! they are kept, is not decided here.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::delivery::{Delivery, State, Summary, summary};
use crate::id::{DeviceId, MessageId};
use crate::json;
use crate::message::{Message, Target};
use crate::time::Millis;

/// What is known of a message and all its deliveries.
///
/// Serialized, this is the form in which it is kept; what senders see are its views.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Trace {
    /// The message.
    pub id: MessageId,
    /// To whom it was addressed.
    pub to: Target,
    /// When the sender's mailbox accepted it.
    pub accepted_at: Millis,
    /// From when on it is not delivered any more.
    pub expires_at: Millis,
    /// One for each device that it went to.
    pub deliveries: Vec<Delivery>,
}

impl Trace {
    /// The trace of a message with these deliveries.
    pub fn of(message: Message, deliveries: Vec<Delivery>) -> Self {
        Self {
            id: message.id,
            to: message.to,
            accepted_at: message.sent_at,
            expires_at: message.expires_at,
            deliveries,
        }
    }

    /// Whether every delivery is in a last state, so that nothing more will come.
    pub fn is_settled(&self) -> bool {
        self.deliveries
            .iter()
            .all(|delivery| delivery.state.is_last())
    }

    /// Takes in what the mailbox of a device says of its delivery by now.
    pub fn learn(&mut self, delivery: Delivery) {
        let mut known = self.deliveries.iter_mut();
        if let Some(known) =
            known.find(|known| known.device == delivery.device && !known.state.is_last())
        {
            *known = delivery;
        }
    }

    /// What a publish is answered, and a list of messages shows of each.
    pub fn answer(&self) -> Answer<'_> {
        Answer {
            id: self.id,
            to: &self.to,
            accepted_at: self.accepted_at,
            expires_at: self.expires_at,
            deliveries: self.deliveries.iter().map(DeliveryForm::from).collect(),
            summary: summary(&self.deliveries),
        }
    }

    /// The JSON of [`Trace::answer`].
    pub fn answer_json(&self) -> String {
        json::text(&self.answer())
    }

    /// The answer with a timeline of all steps, oldest first.
    pub fn trace_json(&self) -> String {
        #[derive(Serialize)]
        struct Whole<'a> {
            #[serde(flatten)]
            answer: Answer<'a>,
            timeline: Vec<Event<'a>>,
        }
        json::text(&Whole {
            answer: self.answer(),
            timeline: self.timeline(),
        })
    }

    /// Steps of the same millisecond stay in the order of the deliveries, and each delivery's own order.
    fn timeline(&self) -> Vec<Event<'_>> {
        let events = self.deliveries.iter().flat_map(|delivery| {
            delivery.steps.iter().map(|step| Event {
                device: &delivery.device,
                event: step.event,
                at: step.at,
                attempt: step.attempt,
            })
        });
        let mut timeline: Vec<_> = events.collect();
        timeline.sort_by_key(|event| event.at);
        timeline
    }
}

/// A message and the state of its deliveries, ready to be serialized.
#[derive(Debug, Serialize)]
pub struct Answer<'a> {
    id: MessageId,
    to: &'a Target,
    accepted_at: Millis,
    expires_at: Millis,
    deliveries: Vec<DeliveryForm<'a>>,
    summary: Summary,
}

/// A delivery as senders see it: without its steps.
#[derive(Debug, Serialize)]
pub(crate) struct DeliveryForm<'a> {
    device: &'a DeviceId,
    state: State,
    at: Millis,
    attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

impl<'a> From<&'a Delivery> for DeliveryForm<'a> {
    fn from(delivery: &'a Delivery) -> Self {
        Self {
            device: &delivery.device,
            state: delivery.state,
            at: delivery.at,
            attempts: delivery.attempts,
            reply: delivery.reply.as_deref(),
            reason: delivery.reason.as_deref(),
        }
    }
}

/// One line of the timeline.
#[derive(Debug, Serialize)]
struct Event<'a> {
    device: &'a DeviceId,
    event: State,
    at: Millis,
    attempt: u32,
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn trace(deliveries: Vec<Delivery>) -> Trace {
        let from: DeviceId = "doorbell".parse().unwrap();
        Trace {
            id: MessageId::next(&from, 1, None, 7),
            to: Target::Tag("kitchen".parse().unwrap()),
            accepted_at: 1,
            expires_at: 9,
            deliveries,
        }
    }

    fn delivery(device: &str, state: State, at: Millis) -> Delivery {
        Delivery::first(device.parse().unwrap(), state, at)
    }

    #[test]
    fn a_message_is_settled_when_its_last_delivery_is() {
        for state in State::ALL {
            let deliveries = vec![delivery("a", State::Delivered, 1), delivery("b", state, 1)];
            assert_eq!(trace(deliveries).is_settled(), state.is_last(), "{state:?}");
        }
        assert!(trace(Vec::new()).is_settled());
    }

    #[test]
    fn a_timeline_is_ordered_by_time_and_keeps_the_order_within_a_millisecond() {
        let deliveries = vec![
            delivery("a", State::Held, 3)
                .then(State::Sent, 5)
                .then(State::Delivered, 5),
            delivery("b", State::Held, 3).then(State::Expired, 4),
            delivery("c", State::Refused, 2),
        ];
        let trace: Value = serde_json::from_str(&trace(deliveries).trace_json()).unwrap();
        let timeline: Vec<_> = trace["timeline"]
            .as_array()
            .unwrap()
            .iter()
            .map(|event| format!("{} {} {}", event["at"], event["device"], event["event"]))
            .collect();
        assert_eq!(
            timeline,
            [
                r#"2 "c" "refused""#,
                r#"3 "a" "held""#,
                r#"3 "b" "held""#,
                r#"4 "b" "expired""#,
                r#"5 "a" "sent""#,
                r#"5 "a" "delivered""#,
            ]
        );
    }

    #[test]
    fn an_answer_is_a_trace_without_its_timeline() {
        let trace = trace(vec![delivery("a", State::Held, 3).then(State::Sent, 5)]);
        let answer: Value = serde_json::from_str(&trace.answer_json()).unwrap();
        let mut whole: Value = serde_json::from_str(&trace.trace_json()).unwrap();
        assert!(whole.as_object_mut().unwrap().remove("timeline").is_some());
        assert_eq!(whole, answer);
    }
}

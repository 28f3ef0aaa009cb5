//! Sending a message again: to whom, once for each key, and with a link in both traces.

use tagpost_core::call::Call;
use tagpost_core::delivery::State;
use tagpost_core::failure::ResendPlan;
use tagpost_core::id::{DeviceId, MessageId};
use tagpost_core::mailbox::Reply;
use tagpost_core::message::{Message, Target};
use tagpost_core::publish::{Draft, Resend, ResendRequest};

use super::calls::problem_or;
use super::failures::records;
use super::harness::{Harness, delivery, device, known, message};

impl Harness {
    /// How a message is sent again to these, or to all that failed.
    fn plan(
        &mut self,
        of: MessageId,
        only: Option<&[&str]>,
        key: Option<&str>,
    ) -> Result<ResendPlan, String> {
        let only = only.map(names);
        let key = key.map(|key| key.parse().unwrap());
        let resend = Resend { of, only };
        match self.ask(Call::PlanResend { resend, key }).0? {
            Reply::ResendPlan(plan) => Ok(plan),
            other => panic!("{other:?}"),
        }
    }

    /// A message is sent again, as the Worker does it: the id and the other outputs in words.
    fn resend(
        &mut self,
        of: MessageId,
        only: Option<&[&str]>,
        key: Option<&str>,
    ) -> (MessageId, Vec<String>) {
        let plan = self.plan(of, only, key).unwrap();
        let ResendPlan::Send {
            to, ttl, devices, ..
        } = plan
        else {
            panic!("{plan:?}");
        };
        let request = ResendRequest {
            resend: Resend {
                of,
                only: only.map(names),
            },
            wait: 0,
            key: key.map(|key| key.parse().unwrap()),
        };
        let draft = Draft::again(payload(), ttl, request);
        let text = serde_json::to_string(&draft).unwrap();
        let call = Call::Publish {
            to,
            devices,
            wait: 0,
        };
        let (_, (reply, words)) = self.ask_as(None, call, Some(text), None);
        assert!(reply.is_none(), "{reply:?}");
        (self.calls.last().unwrap().1.id, words)
    }

    /// The links in the trace of a message.
    fn links(&mut self, id: MessageId) -> (Option<MessageId>, Vec<MessageId>) {
        let trace = self.page(id, None, 10).unwrap();
        (trace.plan.resend_of, trace.plan.resent_as)
    }

    /// A message to `gate`, `hall` and `yard`, which has failed for the last two.
    fn failed_for_two(&mut self) -> MessageId {
        let id = self.send_held(&["gate", "hall", "yard"]);
        self.report(id, delivery("gate", State::Delivered)).unwrap();
        self.report(id, delivery("hall", State::Expired)).unwrap();
        self.report(id, delivery("yard", State::Rejected)).unwrap();
        id
    }
}

fn names(names: &[&str]) -> Vec<DeviceId> {
    names.iter().map(|name| device(name)).collect()
}

/// What a recipient's mailbox has kept.
fn payload() -> Message {
    message(1, &[("Urgency", "high"), ("Topic", "t")])
}

#[test]
fn it_goes_to_the_devices_that_it_failed_for_with_a_ttl_of_the_same_length() {
    let mut cam = Harness::new();
    let id = cam.failed_for_two();
    let Ok(ResendPlan::Send {
        to,
        steps: _,
        ttl,
        devices,
        sources,
    }) = cam.at(50_000).plan(id, None, None)
    else {
        panic!("it has failed");
    };
    assert_eq!(to, Target::Tag("hall".parse().unwrap()));
    assert_eq!((ttl, devices), (86_400, names(&["hall", "yard"])));
    assert!(sources.message.is_none());
    assert_eq!(sources.devices, names(&["hall", "yard"]));
    let Ok(ResendPlan::Send { devices, .. }) = cam.plan(id, Some(&["yard"]), None) else {
        panic!("it has failed");
    };
    assert_eq!(devices, names(&["yard"]));
}

#[test]
fn only_what_has_failed_is_sent_again() {
    let mut cam = Harness::new();
    let nothing = Err("nothing_failed".to_owned());
    let outcome = |cam: &mut Harness, id, only| cam.plan(id, only, None).map(drop);
    let id = cam.failed_for_two();
    assert_eq!(outcome(&mut cam, id, Some(&["gate", "yard"])), nothing);
    assert_eq!(outcome(&mut cam, id, Some(&["nobody"])), nothing);
    let held = cam.send_held(&["yard"]);
    assert_eq!(outcome(&mut cam, held, None), nothing);
    let unknown = Err("unknown_message".to_owned());
    assert_eq!(outcome(&mut cam, message(9, &[]).id, None), unknown);
}

#[test]
fn both_traces_name_the_other_message_and_the_directory_learns_it() {
    let mut cam = Harness::listed();
    let id = cam.failed_for_two();
    cam.recorded(1, true);
    cam.recorded(2, true);
    let (again, words) = cam.resend(id, None, None);
    let told = "record 3: hall expired in hall, resent, yard rejected in hall, resent";
    assert_eq!(records(&words), [told]);
    assert!(
        words.iter().any(|word| word.starts_with("yard: deliver")),
        "{words:?}"
    );
    // It is stored before anybody has answered.
    cam.crash();
    assert_eq!(cam.links(id), (None, vec![again]));
    assert_eq!(cam.links(again), (Some(id), vec![]));
    assert_eq!(cam.trace(again).unwrap(), "hall held 0, yard held 0");
}

#[test]
fn what_is_sent_again_has_the_payload_and_the_urgency_but_not_the_topic() {
    let mut cam = Harness::new();
    let id = cam.failed_for_two();
    cam.at(50_000).resend(id, Some(&["yard"]), None);
    let (to, sent) = cam.calls.last().unwrap().clone();
    let kept = payload();
    assert_eq!((to, sent.topic), (device("yard"), None));
    assert_eq!(sent.payload.get(), kept.payload.get());
    assert_eq!(
        (sent.urgency, sent.content_type),
        (kept.urgency, kept.content_type)
    );
    assert_eq!(sent.expires_at - sent.sent_at, 86_400_000);
}

#[test]
fn a_message_that_ended_with_its_publish_is_linked_too() {
    let mut cam = Harness::new();
    let (id, _) = cam.publish(&["yard"], &[], "x").unwrap();
    let (other, _) = cam.publish(&["gate"], &[], "y").unwrap();
    cam.returned("yard", id, known("yard", State::Rejected));
    cam.returned("gate", other, known("gate", State::Delivered));
    assert!(cam.rows().contains("groups 1"), "{}", cam.rows());
    let (again, _) = cam.resend(id, None, None);
    cam.returned("yard", again, known("yard", State::Delivered));
    assert_eq!(cam.links(id), (None, vec![again]));
    assert_eq!(cam.links(other), (None, vec![]));
    assert_eq!(cam.trace(again).unwrap(), "yard delivered 0");
}

#[test]
fn a_repeat_with_the_same_key_makes_no_second_message() {
    let mut cam = Harness::new();
    let id = cam.failed_for_two();
    let (again, _) = cam.resend(id, None, Some("k"));
    for name in ["hall", "yard"] {
        cam.returned(name, again, known(name, State::Held));
    }
    // Meanwhile the payload may be gone: it is not asked for.
    match cam.plan(id, None, Some("k")) {
        Ok(ResendPlan::Repeated {
            id,
            is_settled,
            answer,
        }) => {
            assert_eq!((id, is_settled), (again, false));
            assert!(answer.contains(&format!(r#""id":"{again}""#)), "{answer}");
        }
        other => panic!("{other:?}"),
    }
    let mismatch = Err("idempotency_mismatch".to_owned());
    assert_eq!(cam.plan(id, Some(&["yard"]), Some("k")).map(drop), mismatch);
    assert_eq!(cam.links(id).1, [again]);
}

#[test]
fn the_key_of_a_resend_is_no_key_of_another_publish() {
    let mut cam = Harness::new();
    let id = cam.failed_for_two();
    cam.resend(id, None, Some("k"));
    let other = cam.publish(&["yard"], &[("Idempotency-Key", "k")], "body 1");
    assert_eq!(other.map(drop), Err("idempotency_mismatch".to_owned()));
}

#[test]
fn what_failed_in_any_part_of_a_large_tag_is_sent_again() {
    let mut cam = Harness::new();
    let all: Vec<String> = (100..350).map(|n| format!("cam-{n}")).collect();
    let to: Vec<&str> = all.iter().map(String::as_str).collect();
    let (id, _) = cam.publish(&to, &[], "x").unwrap();
    for name in ["cam-105", "cam-220", "cam-349"] {
        cam.report(id, delivery(name, State::Refused)).unwrap();
    }
    let Ok(ResendPlan::Send {
        devices, sources, ..
    }) = cam.plan(id, None, None)
    else {
        panic!("it has failed");
    };
    assert_eq!(devices, names(&["cam-105", "cam-220", "cam-349"]));
    assert!(sources.message.is_some(), "the job has it still");
}

#[test]
fn a_device_that_is_gone_is_not_asked_and_refuses_it_again() {
    let mut cam = Harness::new();
    let id = cam.send_held(&["yard"]);
    let removed = delivery("yard", State::Refused).with_reason("device_removed");
    cam.report(id, removed).unwrap();
    let Ok(ResendPlan::Send { sources, .. }) = cam.plan(id, None, None) else {
        panic!("it has failed");
    };
    assert!(sources.devices.is_empty());
    let (again, _) = cam.resend(id, None, None);
    let gone = Some(tagpost_core::call::DeliveryStatus::UnknownDevice);
    cam.returned("yard", again, gone);
    assert_eq!(cam.trace(again).unwrap(), "yard refused 0 (device_removed)");
    assert_eq!(cam.links(id).1, [again]);
}

#[test]
fn the_payload_of_a_scheduled_message_is_with_its_sender() {
    let mut cam = Harness::new();
    let (id, _) = cam.publish(&["yard"], &[("Delay", "60")], "x").unwrap();
    match problem_or(cam.ask(Call::FindPayload { id }).0.unwrap()) {
        Ok(Reply::PayloadSources(sources)) => {
            assert!(sources.message.is_some() && sources.devices.is_empty());
        }
        other => panic!("{other:?}"),
    }
}

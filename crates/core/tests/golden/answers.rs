//! Problem documents, and the answers to clients over HTTP.

use tagpost_core::delivery::State;
use tagpost_core::message::Target;
use tagpost_core::plan::escalation::{self, Escalation, Outcome};
use tagpost_core::plan::{End, Plan, Schedule};
use tagpost_core::problem::{Code, Problem};
use tagpost_core::protocol::tagpost_v1::inbox_json;
use tagpost_core::trace::Trace;

use super::files::check;
use super::samples::{
    AT, bytes_message, deliveries, device, id, json_message, text_message, trace,
};

#[test]
fn every_problem_is_written_as_documented() {
    let document = |code: &Code| {
        let problem = Problem::new(*code, "What is wrong \"here\".");
        (code.as_str(), serde_json::to_string(&problem).unwrap())
    };
    check(
        "problem",
        &Code::ALL.iter().map(document).collect::<Vec<_>>(),
    );
}

#[test]
fn every_answer_to_a_client_is_written_as_documented() {
    let to_a_device = Trace {
        to: Target::Device(device("kitchen-cam")),
        ..trace(Vec::new())
    };
    let enough = Trace {
        plan: Plan {
            acks_needed: Some(1),
            enough_at: Some(AT + 15),
            ..Plan::default()
        },
        ..trace(deliveries())
    };
    let schedule = Schedule {
        deliver_at: AT + 60_000,
        accepted_at: AT,
        bytes: 1,
        handed_over_at: None,
    };
    let scheduled = Trace {
        plan: Plan {
            schedule: Some(schedule),
            ..Plan::default()
        },
        ..trace(Vec::new())
    };
    let end = End {
        state: State::Refused,
        at: AT + 60_000,
        reason: Some("unknown_tag".to_owned()),
        receipt: Some(7),
    };
    let ended = Trace {
        plan: Plan {
            end: Some(end),
            ..scheduled.plan.clone()
        },
        ..trace(Vec::new())
    };
    let step = |name| escalation::Step {
        to: Target::named(name).unwrap(),
        after: 60,
    };
    let steps = [step("nobody"), step("managers"), step("@boss")];
    let mut plan = Plan {
        escalation: Escalation::of(&steps, false),
        ..Plan::default()
    };
    plan.take_step(Outcome::failed(Code::UnknownTag), AT + 16);
    plan.take_step(Outcome::Devices(2), AT + 18);
    let escalated = Trace {
        plan,
        ..trace(deliveries())
    };
    let resent = Trace {
        plan: Plan {
            resend_of: Some(id()),
            resent_as: vec![id(), id()],
            ..Plan::default()
        },
        ..trace(deliveries())
    };
    let inbox = [
        (&json_message(), 1),
        (&text_message(), 2),
        (&bytes_message(), 3),
    ];
    check(
        "answer",
        &[
            ("publish", trace(deliveries()).answer_json()),
            ("publish-to-a-device", to_a_device.answer_json()),
            ("publish-with-acks-needed", enough.answer_json()),
            ("publish-scheduled", scheduled.answer_json()),
            ("publish-resent", resent.answer_json()),
            ("listed-without-delivery", ended.answer_json()),
            ("trace", trace(deliveries()).trace_json()),
            ("trace-with-escalation", escalated.trace_json()),
            ("inbox", inbox_json(inbox)),
            ("inbox-empty", inbox_json([])),
        ],
    );
}

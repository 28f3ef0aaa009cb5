//! A sender takes a message back.

use tagpost_core::call::Delivered;
use tagpost_core::delivery::State;
use tagpost_core::mailbox::{Cancelled, Errand};

use super::desk::{Desk, delivery, device, known, message};
use super::words::{answer, problem_or};

const TEXT: &[(&str, &str)] = &[("Content-Type", "text/plain")];

fn withdraw(desk: &mut Desk, id: tagpost_core::id::MessageId) -> Vec<String> {
    let (delivered, effects) =
        desk.event(|mailbox, now| mailbox.withdraw(id, &device("door"), now));
    [vec![answer(&delivered)], effects].concat()
}

#[test]
fn every_mailbox_that_may_have_the_message_is_asked() {
    let mut desk = Desk::new();
    let (id, _) = desk.publish(&["a", "b", "c"], TEXT, "x").unwrap();
    desk.returned("a", id, known("a", State::Delivered));
    desk.returned("b", id, known("b", State::Held));
    desk.returned("c", id, None);
    let (cancelled, effects) = desk.event(|mailbox, _| problem_or(mailbox.cancel(id)));
    assert!(matches!(cancelled, Ok(Cancelled::Wait(_))), "{cancelled:?}");
    assert_eq!(effects, ["c: withdraw", "b: withdraw"]);
    let mut answered = |name: &str| {
        let text =
            serde_json::to_string(&Delivered::Known(delivery(name, State::Cancelled))).unwrap();
        desk.event(|mailbox, now| {
            mailbox.returned(&device(name), Errand::Withdraw(id), Some(&text), now)
        })
        .1
    };
    assert_eq!(answered("b"), [""; 0]);
    assert_eq!(answered("c"), ["settled", "cancelled"]);
    assert_eq!(
        desk.trace(id).unwrap(),
        "a delivered 0, b cancelled 0, c cancelled 0"
    );
}

#[test]
fn a_message_that_is_settled_everywhere_needs_no_call() {
    let mut desk = Desk::new();
    let (id, _) = desk.publish(&["a"], TEXT, "x").unwrap();
    desk.returned("a", id, known("a", State::Delivered));
    let (cancelled, effects) = desk.event(|mailbox, _| problem_or(mailbox.cancel(id)));
    assert!(
        matches!(cancelled, Ok(Cancelled::Answer(_))),
        "{cancelled:?}"
    );
    assert_eq!(effects, [""; 0]);
}

#[test]
fn an_unknown_message_cannot_be_taken_back() {
    let id = message(1, TEXT).id;
    let cancelled = Desk::new()
        .event(|mailbox, _| problem_or(mailbox.cancel(id)))
        .0;
    assert_eq!(cancelled.unwrap_err(), "unknown_message");
}

#[test]
fn a_held_message_that_is_taken_back_is_never_sent() {
    let mut desk = Desk::new();
    let message = message(1, TEXT);
    desk.deliver(&message, 0);
    assert_eq!(
        withdraw(&mut desk, message.id),
        ["cancelled 0", "door: receipts cancelled 0"]
    );
    assert_eq!(desk.connect(1), ["1 <- welcome, 0 held"]);
}

#[test]
fn a_message_on_the_wire_that_is_taken_back_is_over() {
    let mut desk = Desk::new();
    desk.connect(1);
    let message = message(1, TEXT);
    desk.deliver(&message, 1_000);
    assert_eq!(
        withdraw(&mut desk, message.id),
        ["cancelled 1", "answers cancelled 1"]
    );
    assert_eq!(desk.ack(message.id), [""; 0]);
}

#[test]
fn a_message_that_was_acknowledged_stays_so() {
    let mut desk = Desk::new();
    desk.connect(1);
    let message = message(1, TEXT);
    desk.deliver(&message, 0);
    desk.ack(message.id);
    assert_eq!(withdraw(&mut desk, message.id), ["delivered 1"]);
}

#[test]
fn a_message_that_is_taken_back_before_it_comes_is_cancelled_when_it_does() {
    let mut desk = Desk::new();
    desk.connect(1);
    let message = message(1, TEXT);
    assert_eq!(
        withdraw(&mut desk, message.id),
        ["cancelled 0", "door: receipts cancelled 0"]
    );
    assert_eq!(desk.deliver(&message, 0), ["cancelled 0"]);
}

#[test]
fn a_message_that_was_taken_back_before_it_came_stays_so_after_a_crash() {
    let mut desk = Desk::new();
    let message = message(1, TEXT);
    withdraw(&mut desk, message.id);
    desk.crash();
    desk.connect(1);
    assert_eq!(desk.deliver(&message, 0), ["cancelled 0"]);
    desk.reported("door", true);
    assert_eq!(desk.rows(), "account 1");
}

#[test]
fn taking_back_ends_at_once_when_its_sender_is_removed() {
    let mut desk = Desk::new();
    let (id, _) = desk.publish(&["a"], TEXT, "x").unwrap();
    desk.returned("a", id, known("a", State::Held));
    let (_, effects) = desk.event(|mailbox, _| problem_or(mailbox.cancel(id)));
    assert_eq!(effects, ["a: withdraw"]);
    let removed = desk.event(|mailbox, now| mailbox.remove(now)).1;
    assert_eq!(removed, ["cancelled", "revoked"]);
    let returned =
        desk.event(|mailbox, now| mailbox.returned(&device("a"), Errand::Withdraw(id), None, now));
    assert_eq!(returned.1, [""; 0], "it was answered already");
}

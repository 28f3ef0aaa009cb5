//! A trace shows the knocks that push services have taken.

use tagpost_core::call::DeliveryStatus;
use tagpost_core::delivery::State;
use tagpost_core::id::MessageId;
use tagpost_core::wake::{KnockAnswer, Woken};

use super::super::harness::{Harness, START, message};

fn woken(harness: &mut Harness, id: MessageId) -> Vec<Woken> {
    match harness.get_delivery(id) {
        DeliveryStatus::Known(delivery) => delivery.woken,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_message_that_waits_shows_the_knocks_since_it_waits() {
    let (mut harness, ids) = Harness::knockable(&["a", "b"]);
    let (first, second) = (message(1, &[]), message(2, &[]));
    harness.deliver(&first, 0);
    assert_eq!(woken(&mut harness, first.id), []);
    harness.at(100).knocked(ids[0], 1, KnockAnswer::Accepted);
    harness.knocked(ids[1], 1, KnockAnswer::Refused);
    harness.crash();
    let taken = [Woken {
        at: START + 100,
        host: "push.example".to_owned(),
    }];
    assert_eq!(woken(&mut harness, first.id), taken);
    harness.at(101).deliver(&second, 0);
    assert_eq!(woken(&mut harness, second.id), [], "it came later");
}

#[test]
fn the_report_of_a_delivery_has_them_too() {
    let (mut harness, ids) = Harness::knockable(&["a"]);
    let first = message(1, &[]);
    harness.deliver(&first, 0);
    harness.at(100).knocked(ids[0], 1, KnockAnswer::Accepted);
    harness.at(200).poll(1);
    harness.at(300).ack(first.id);
    // What is told stays until the sender's mailbox has recorded it.
    let DeliveryStatus::Known(settled) = harness.get_delivery(first.id) else {
        panic!("it is not settled");
    };
    let steps: Vec<_> = settled.steps.iter().map(|step| step.at - START).collect();
    assert_eq!(
        (settled.state, &steps[..]),
        (State::Delivered, &[0, 200, 300][..])
    );
    assert_eq!(settled.woken[0].at, START + 100);
}

//! The operator's events.

use tagpost_core::delivery::State;
use tagpost_core::failure::FailedDelivery;
use tagpost_core::operator_event::{Kind, OperatorEvent, Registrar, Summary};
use tagpost_core::token::TokenId;

use super::files::check;
use super::samples::{AT, device, id};

#[test]
fn every_event_of_the_operator_is_written_as_documented() {
    let cam = device("kitchen-cam");
    let failed = |tag: Option<&str>, state, reason: Option<&str>| FailedDelivery {
        id: id(),
        at: AT - 5,
        state,
        reason: reason.map(str::to_owned),
        sender: device("doorbell"),
        device: device("kitchen-cam"),
        tag: tag.map(str::to_owned),
        resent_as: None,
    };
    let expired = failed(Some("kitchen"), State::Expired, None);
    let refused = failed(None, State::Refused, Some("queue_full"));
    let since = AT - 300_000;
    let device = &cam;
    let registered = |by| OperatorEvent::Registered { device, by };
    let events = [
        ("delivery-failed", OperatorEvent::DeliveryFailed(&refused)),
        (
            "delivery-failed-tag",
            OperatorEvent::DeliveryFailed(&expired),
        ),
        ("device-registered", registered(Registrar::Operator)),
        ("device-registered-itself", registered(Registrar::Device)),
        ("device-away", OperatorEvent::Away { device, since }),
        ("device-back", OperatorEvent::Back { device, since }),
        ("tokens-revoked", OperatorEvent::TokensRevoked { device }),
        (
            "token-revoked",
            OperatorEvent::TokenRevoked {
                device,
                jti: &TokenId::from_random(10),
            },
        ),
        (
            "webhook-disabled",
            OperatorEvent::WebhookDisabled {
                device,
                status: 410,
            },
        ),
    ];
    let written = events.map(|(name, event)| (name, event.json(AT).unwrap()));
    let summary = Summary {
        device,
        count: 15,
        since: AT - 50_000,
        until: AT - 36_000,
    };
    let summary = Kind::DeliveryFailed.summary(&summary, AT).unwrap();
    let mut written = written.to_vec();
    written.push(("summary", summary));
    check("event", &written);
}

//! The frames of Web Push to a user agent.

use tagpost_core::id::DeviceId;
use tagpost_core::message::{Message, Target};
use tagpost_core::protocol::web_push::WebPush;
use tagpost_core::protocol::{Codec, ToAgent, ToDevice};
use tagpost_core::web_push::agent::AgentId;
use tagpost_core::web_push::channel::Channel;
use tagpost_core::web_push::content::{Content, Headers};

use super::files::check;
use super::samples::{device, json_message};

const CHANNEL: &str = "0f5a1e0c-6a3b-4c2d-9e8f-001122334455";

#[test]
fn every_frame_to_a_user_agent_is_written_as_documented() {
    let agent = AgentId::read("00112233445566778899aabbccddeeff").unwrap();
    let registered = |endpoint| {
        let name = CHANNEL;
        written(&ToDevice::Agent(ToAgent::Registered { name, endpoint }))
    };
    let unregistered = ToAgent::Unregistered { name: CHANNEL };
    let headers = |encoding: &str, encryption: Option<&str>, crypto_key: Option<&str>| Headers {
        encoding: encoding.to_owned(),
        encryption: encryption.map(str::to_owned),
        crypto_key: crypto_key.map(str::to_owned),
    };
    let aesgcm = headers("aesgcm", Some("salt=c2FsdA"), Some("dh=a2V5"));
    let encrypted = |headers| Content {
        data: Some("Ym9keQ".to_owned()),
        headers: Some(headers),
        receipt: false,
    };
    let with_receipt = Content {
        receipt: true,
        ..encrypted(headers("aes128gcm", None, None))
    };
    check(
        "to_agent",
        &[
            ("ping", written(&ToDevice::Pong)),
            ("hello", written(&ToDevice::Agent(ToAgent::Hello { agent }))),
            (
                "registered",
                registered(Ok("https://push.example/wpush/sealed")),
            ),
            ("registered-refused", registered(Err(500))),
            ("unregistered", written(&ToDevice::Agent(unregistered))),
            ("notification", notification(&with_receipt)),
            ("notification-aesgcm", notification(&encrypted(aesgcm))),
            ("notification-empty", notification(&Content::default())),
        ],
    );
}

/// The frame that brings this content.
fn notification(content: &Content) -> String {
    let channel: Channel = CHANNEL.parse().unwrap();
    let device: DeviceId = device("kitchen-cam");
    let message = &Message {
        from: channel.into(),
        to: Target::Device(device),
        payload: content.to_payload(),
        ..json_message()
    };
    let attempt = 1;
    written(&ToDevice::Message { message, attempt })
}

fn written(said: &ToDevice<'_>) -> String {
    let frame = WebPush.write(said).unwrap();
    frame.text().unwrap().to_owned()
}

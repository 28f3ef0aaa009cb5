//! Web Push: a user agent at one end of a mailbox, application servers at the other.

mod agents;
mod costs;
mod delivery;
mod handled;
mod histories;
mod lanes;
mod receipt_ends;
mod receipts;
mod removal;
mod steps;

use serde_json::{Value, json};
use tagpost_core::call::{Call, Pushed};
use tagpost_core::id::MessageId;
use tagpost_core::mailbox::{CallId, ConnectionId, Reply};
use tagpost_core::message::Urgency;
use tagpost_core::protocol::web_push::WebPush;
use tagpost_core::publish::Draft;
use tagpost_core::web_push::content::{Content, Headers};
use tagpost_core::web_push::seal::PushUrl;

use super::harness::{Harness, START, push_keys};

pub(super) const ONE: &str = "24cf03b3-f215-489e-8a5b-f3a5ec97785d";
pub(super) const TWO: &str = "9d1c2a34-0000-4000-8000-000000000002";

/// A key of 65 bytes, in base64 with padding.
pub(super) const KEY: &str =
    "BAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";

impl Harness {
    /// A user agent connects and says hello. Returns its id, and what follows the answer.
    pub(super) fn hello(
        &mut self,
        connection: ConnectionId,
        agent: Option<&str>,
    ) -> (String, Vec<String>) {
        let mut words = self.connect_over(connection, &WebPush);
        let hello = match agent {
            Some(agent) => json!({"messageType": "hello", "uaid": agent}),
            None => json!({"messageType": "hello"}),
        };
        words.extend(self.frame(connection, &hello.to_string()));
        let place = words.iter().position(|word| word.contains(r#""hello""#));
        let answer = words.remove(place.unwrap());
        let answer: Value = serde_json::from_str(answer.split_once("<- ").unwrap().1).unwrap();
        (answer["uaid"].as_str().unwrap().to_owned(), words)
    }

    /// The user agent registers a channel. Returns its endpoint, and what else happens.
    pub(super) fn subscribe(
        &mut self,
        connection: ConnectionId,
        channel: &str,
        key: Option<&str>,
    ) -> (PushUrl, Vec<String>) {
        let register = json!({"messageType": "register", "channelID": channel, "key": key});
        let mut words = self.frame(connection, &register.to_string());
        let answer = words.remove(0);
        let answer: Value = serde_json::from_str(answer.split_once("<- ").unwrap().1).unwrap();
        assert_eq!(
            (&answer["status"], &answer["channelID"]),
            (&json!(200), &json!(channel))
        );
        let endpoint = answer["pushEndpoint"].as_str().unwrap();
        let sealed = endpoint
            .strip_prefix("https://push.example/wpush/")
            .unwrap();
        (push_keys().open(sealed).unwrap(), words)
    }

    /// A user agent with one channel, connected over 1. Returns its id, and the endpoint.
    pub(super) fn subscribed(&mut self) -> (String, PushUrl) {
        let (agent, _) = self.hello(1, None);
        (agent, self.subscribe(1, ONE, None).0)
    }

    /// An application server publishes. Returns its answer, or `None` if the call waits, and what else happens.
    pub(super) fn push(
        &mut self,
        url: &PushUrl,
        body: &str,
        change: impl FnOnce(&mut Draft),
    ) -> (CallId, Option<Pushed>, Vec<String>) {
        let mut draft = draft(body);
        change(&mut draft);
        let call = Call::Push {
            channel: url.channel,
            since: url.since,
            wait: 150,
        };
        let text = serde_json::to_string(&draft).unwrap();
        let (id, (reply, words)) = self.ask_as(None, call, Some(text), None);
        let pushed = reply.map(|reply| match reply {
            Reply::Pushed(pushed) => pushed,
            other => panic!("{other:?}"),
        });
        (id, pushed, words)
    }

    /// An application server publishes a message that is taken at once.
    pub(super) fn pushed(&mut self, url: &PushUrl, body: &str) -> MessageId {
        match self.push(url, body, |_| {}) {
            (_, Some(Pushed::Taken(id)), _) => id,
            other => panic!("{other:?}"),
        }
    }

    /// The user agent acknowledges these messages.
    pub(super) fn acks(
        &mut self,
        connection: ConnectionId,
        codes: &[(MessageId, i64)],
    ) -> Vec<String> {
        let update = |(version, code): &(MessageId, i64)| json!({"channelID": ONE, "version": version, "code": code});
        let updates: Vec<Value> = codes.iter().map(update).collect();
        self.frame(
            connection,
            &json!({"messageType": "ack", "updates": updates}).to_string(),
        )
    }
}

pub(super) fn draft(body: &str) -> Draft {
    let content = Content {
        data: Some(body.to_owned()),
        headers: Some(Headers {
            encoding: "aes128gcm".to_owned(),
            encryption: None,
            crypto_key: None,
        }),
        receipt: false,
    };
    Draft {
        ttl: 60,
        topic: None,
        urgency: Urgency::Normal,
        wait: 0,
        key: None,
        echo: false,
        acks_needed: None,
        escalate: Vec::new(),
        when: None,
        resend: None,
        size: 3,
        content_type: "application/json".to_owned(),
        encoding: None,
        payload: content.to_payload(),
    }
}

/// The notification frames among these outputs, by their bodies.
pub(super) fn bodies(words: &[String]) -> Vec<String> {
    let frames = words
        .iter()
        .filter(|word| word.contains(r#""notification""#));
    let frames = frames
        .map(|word| serde_json::from_str::<Value>(word.split_once("<- ").unwrap().1).unwrap());
    frames
        .map(|frame| frame["data"].as_str().unwrap_or("empty").to_owned())
        .collect()
}

/// The ids of the messages in these frames.
pub(super) fn versions(words: &[String]) -> Vec<MessageId> {
    let frames = words
        .iter()
        .filter(|word| word.contains(r#""notification""#));
    let frames = frames
        .map(|word| serde_json::from_str::<Value>(word.split_once("<- ").unwrap().1).unwrap());
    frames
        .map(|frame| frame["version"].as_str().unwrap().parse().unwrap())
        .collect()
}

pub(super) fn since(url: &PushUrl) -> i64 {
    url.since - START
}

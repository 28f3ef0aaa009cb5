//! Working on a message: saying so to the service, and learning that the message was withdrawn.
//!
//! Nothing here is an answer. Progress that is lost is said again by [`Working`]; a withdrawal that is lost leaves the
//! application working in vain, and nothing worse.

use std::collections::HashMap;
use std::future::pending;
use std::ops::RangeInclusive;
use std::time::Duration;

use tagpost_core::delivery::Withdrawal;
use tagpost_core::id::MessageId;
use tagpost_core::protocol::tagpost_v1::MAX_NOTE;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::connection::Command;
use crate::frame::ToService;
use crate::message::{AnswerError, Message};

/// How many seconds of progress the service takes at a time.
const SECONDS: RangeInclusive<u32> = 1..=86_400;

/// How long [`Working`] waits before it says anything: most messages are answered sooner, and cost nothing then.
const FIRST: Duration = Duration::from_secs(2);

/// With more messages than this, those that the application has dropped are forgotten.
const MANY: usize = 1_024;

/// What the application learns of the end of a message.
pub(crate) type End = watch::Receiver<Option<Withdrawal>>;

/// The messages that the application has and has not answered.
#[derive(Debug, Default)]
pub(crate) struct Held(HashMap<MessageId, watch::Sender<Option<Withdrawal>>>);

impl Held {
    /// The application is given a message.
    pub(crate) fn give(&mut self, id: MessageId) -> End {
        if self.0.len() >= MANY {
            self.0.retain(|_, told| !told.is_closed());
        }
        let (told, end) = watch::channel(None);
        self.0.insert(id, told);
        end
    }

    /// The service has withdrawn a message.
    pub(crate) fn withdraw(&mut self, id: MessageId, reason: Withdrawal) {
        if let Some(told) = self.0.remove(&id) {
            told.send_replace(Some(reason));
        }
    }

    /// The application has answered a message.
    pub(crate) fn answered(&mut self, id: MessageId) {
        self.0.remove(&id);
    }
}

/// Keeps a message in progress until it is dropped. See [`Message::working`].
#[derive(Debug)]
#[must_use = "it says that the device works on the message only until it is dropped"]
pub struct Working(JoinHandle<()>);

impl Drop for Working {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Message {
    /// Says that the device is working on the message, for this many seconds, and what it is doing, if `note` is not
    /// empty. The service does not send the message again before that time is over, not even on another connection.
    /// It may be said again, and counts from then. Without a connection nothing is said.
    ///
    /// # Errors
    /// [`AnswerError::Seconds`], [`AnswerError::NoteTooLong`], [`AnswerError::Closed`].
    pub fn progress(&self, seconds: u32, note: &str) -> Result<(), AnswerError> {
        let commands = self.commands()?;
        let frame = progress_frame(self.id, seconds, note)?;
        let command = Command::Progress { id: self.id, frame };
        commands.send(command).map_err(|_| AnswerError::Closed)
    }

    /// Keeps the message in progress while the application works on it, until what this returns is dropped. It says so
    /// after two seconds, and then three times within `seconds`, so that a lost one does no harm. If this program ends,
    /// the service sends the message again after that many seconds. Has to be called within a tokio runtime.
    ///
    /// # Errors
    /// [`AnswerError::Seconds`], [`AnswerError::NoteTooLong`], [`AnswerError::Closed`].
    pub fn working(&self, seconds: u32, note: &str) -> Result<Working, AnswerError> {
        let commands = self.commands()?.clone();
        let frame = progress_frame(self.id, seconds, note)?;
        let (id, mut end) = (self.id, self.end());
        let says = async move {
            let mut pause = FIRST;
            loop {
                tokio::select! {
                    () = sleep(pause) => {}
                    _ = withdrawn(&mut end) => return,
                }
                let frame = frame.clone();
                if commands.send(Command::Progress { id, frame }).is_err() {
                    return;
                }
                pause = Duration::from_secs(seconds.into()) / 3;
            }
        };
        Ok(Working(tokio::spawn(says)))
    }

    /// Waits until the service withdraws the message: its sender cancelled it, it expired, a newer one replaced it, or
    /// enough other devices acknowledged it. An answer would have no effect then. Never returns if that does not
    /// happen, or if this device is not told.
    pub async fn withdrawn(&self) -> Withdrawal {
        withdrawn(&mut self.end()).await
    }

    /// Why the message was withdrawn, if it was.
    pub fn is_withdrawn(&self) -> Option<Withdrawal> {
        *self.end().borrow()
    }
}

async fn withdrawn(end: &mut End) -> Withdrawal {
    let told = match end.wait_for(Option::is_some).await {
        Ok(told) => *told,
        Err(_) => None,
    };
    match told {
        Some(reason) => reason,
        // Nobody can tell any more.
        None => pending().await,
    }
}

fn progress_frame(id: MessageId, seconds: u32, note: &str) -> Result<String, AnswerError> {
    if !SECONDS.contains(&seconds) {
        return Err(AnswerError::Seconds(seconds));
    }
    let length = note.chars().count();
    if length > MAX_NOTE {
        return Err(AnswerError::NoteTooLong(length));
    }
    let note = Some(note).filter(|note| !note.is_empty());
    let frame = ToService::Progress { id, seconds, note }.to_json();
    frame.map_err(|error| AnswerError::NotJson(error.to_string()))
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
    use tokio::time::{Instant, advance};

    use super::*;

    fn given() -> (Message, UnboundedReceiver<Command>, Held) {
        let json = r#"{"id":"01HF7YAT00FYHWCCN200000007","from":"door","to":{"device":"cam"},"sent_at":1,
            "expires_at":2,"attempt":1,"urgency":"normal","topic":null,"content_type":"text/plain","payload":"x"}"#;
        let message: Message = serde_json::from_str(json).unwrap();
        let (commands, received) = unbounded_channel();
        let mut held = Held::default();
        let end = held.give(message.id);
        (message.with(&commands, end), received, held)
    }

    fn said(received: &mut UnboundedReceiver<Command>) -> Option<String> {
        match received.try_recv() {
            Ok(Command::Progress { frame, .. }) => Some(frame),
            _ => None,
        }
    }

    #[test]
    fn progress_that_the_service_would_not_take_is_refused() {
        let (message, mut received, _held) = given();
        for seconds in [0, 86_401] {
            assert_eq!(
                message.progress(seconds, ""),
                Err(AnswerError::Seconds(seconds))
            );
        }
        let long = "é".repeat(MAX_NOTE + 1);
        assert_eq!(
            message.progress(1, &long),
            Err(AnswerError::NoteTooLong(MAX_NOTE + 1))
        );
        assert_eq!(said(&mut received), None);
        message.progress(60, "digging").unwrap();
        let expected =
            r#"{"type":"progress","id":"01HF7YAT00FYHWCCN200000007","for":60,"note":"digging"}"#;
        assert_eq!(said(&mut received).as_deref(), Some(expected));
    }

    #[tokio::test(start_paused = true)]
    async fn work_is_told_again_well_before_its_time_is_over_until_it_ends() {
        let (message, mut received, _held) = given();
        let working = message.working(60, "").unwrap();
        let began = Instant::now();
        for at in [2, 22, 42] {
            let told = received.recv().await;
            assert!(matches!(told, Some(Command::Progress { .. })), "{told:?}");
            assert_eq!(began.elapsed().as_secs(), at);
        }
        drop(working);
        tokio::task::yield_now().await;
        advance(Duration::from_secs(100)).await;
        tokio::task::yield_now().await;
        assert_eq!(said(&mut received), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_withdrawn_message_is_no_longer_in_progress_and_its_future_is_ready() {
        let (message, mut received, mut held) = given();
        let _working = message.working(60, "").unwrap();
        assert_eq!(message.is_withdrawn(), None);
        held.withdraw(message.id, Withdrawal::Enough);
        assert_eq!(message.withdrawn().await, Withdrawal::Enough);
        sleep(Duration::from_secs(100)).await;
        assert_eq!(said(&mut received), None);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answered_message_is_never_withdrawn() {
        let (message, _received, mut held) = given();
        held.answered(message.id);
        held.withdraw(message.id, Withdrawal::Expired);
        let waited = tokio::time::timeout(Duration::from_secs(60), message.withdrawn()).await;
        assert!(waited.is_err(), "{waited:?}");
    }

    #[test]
    fn messages_that_the_application_has_dropped_are_forgotten() {
        let mut held = Held::default();
        for number in 0..10 * MANY {
            let id = format!("01HF7YAT00FYHWCC{number:010}").parse().unwrap();
            drop(held.give(id));
        }
        assert!(held.0.len() <= MANY, "{}", held.0.len());
    }
}

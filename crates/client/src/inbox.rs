//! The inbox: the messages of a device as a stream that survives lost connections.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use tagpost_core::call::Progress;
use tagpost_core::id::MessageId;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::client::Client;
use crate::connection::{Command, Connection, Memory};
use crate::error::Error;
use crate::frame::Welcome;
use crate::message::{self, AnswerError, Message};
use crate::receipts::{self, Receipts};

/// How many messages wait for the application: the largest in-flight window that a service can have, so
/// that a connection is read on even while the application is busy.
const WAITING: usize = 128;

/// How many reports of progress wait for those who listen to them.
const PROGRESS: usize = 256;

/// How the connection is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// A connection is being made.
    Connecting,
    /// The service has welcomed the device.
    Connected(Welcome),
    /// There is none; another attempt follows after the pause.
    Waiting {
        /// Why there is none.
        why: String,
        /// How long until the next attempt.
        pause: Duration,
    },
}

/// The messages of a device, a [`Stream`].
///
/// It reconnects forever, and shows each message once. It ends with an error when reconnecting is
/// pointless: [`Error::TokenEnded`], [`Error::TakenOver`], a credential that is
/// refused, or [`Error::NoFurtherToken`]. [`Error::AnswerRefused`] does not end it. At most 128 messages
/// wait in memory for the application; what it has not taken is never acknowledged.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// # let client = tagpost_client::Client::new("http://127.0.0.1:8787", "token")?;
/// let mut inbox = client.connect();
/// while let Some(message) = inbox.next().await {
///     let message = message?;
///     match message.text() {
///         Ok(text) => {
///             println!("{} says {text}", message.from);
///             message.reply(&serde_json::json!({ "opened": true }))?;
///         }
///         // Without an answer it would come again.
///         Err(error) => message.nack(&error.to_string())?,
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Inbox {
    messages: mpsc::Receiver<Result<Message, Error>>,
    commands: mpsc::UnboundedSender<Command>,
    progress: broadcast::Sender<Progress>,
    status: watch::Receiver<Status>,
    /// Dropped when the application is done.
    close: Option<oneshot::Sender<Infallible>>,
    /// `None` once it ended.
    connection: Option<JoinHandle<Result<(), Error>>>,
}

impl Client {
    /// Connects as the device whose token this client has, in the background.
    ///
    /// A second connection of the same device, wherever it comes from, ends this one.
    /// Has to be called within a tokio runtime.
    pub fn connect(&self) -> Inbox {
        self.start(None)
    }

    /// The same as [`Client::connect`], with the receipts of what this device sent. The application has
    /// to take from both streams, since the slower one holds back the other; or it drops one.
    pub fn connect_with_receipts(&self) -> (Inbox, Receipts) {
        let (sender, receiver) = mpsc::channel(receipts::WAITING);
        let inbox = self.start(Some(sender));
        let receipts = Receipts::new(receiver, inbox.commands.clone());
        (inbox, receipts)
    }

    fn start(&self, receipts: Option<mpsc::Sender<crate::Receipt>>) -> Inbox {
        let (messages, waiting) = mpsc::channel(WAITING);
        let (answers, commands) = mpsc::unbounded_channel();
        let (status, current) = watch::channel(Status::Connecting);
        let (progress, _) = broadcast::channel(PROGRESS);
        let (close, wanted) = oneshot::channel();
        let connection = Connection {
            client: self.clone(),
            commands,
            answers: answers.clone(),
            messages,
            receipts,
            progress: progress.clone(),
            status,
            memory: Memory::default(),
        };
        Inbox {
            messages: waiting,
            commands: answers,
            progress,
            status: current,
            close: Some(close),
            connection: Some(tokio::spawn(connection.run(wanted))),
        }
    }
}

impl Inbox {
    /// The next message; `None` after the inbox ended.
    ///
    /// # Errors
    /// The error that ended the inbox, once. [`Error::AnswerRefused`] whenever the service did not take an
    /// answer: another may be given, and the inbox goes on.
    pub async fn next(&mut self) -> Option<Result<Message, Error>> {
        StreamExt::next(self).await
    }

    /// Rejects a message that is no longer at hand, by its id: one whose answer was refused
    /// ([`Error::AnswerRefused`]). If it was answered otherwise, that answer counts, and not this one.
    ///
    /// # Errors
    /// [`AnswerError::ReasonTooLong`], [`AnswerError::Closed`].
    pub fn nack(&self, id: MessageId, reason: &str) -> Result<(), AnswerError> {
        message::nack(id, reason, &self.commands)
    }

    /// What the recipients of this device's messages say about their work, from now on. It is reported once, while
    /// this device is connected; a listener that falls more than 256 behind misses some. A [`crate::Trace`] has the
    /// latest of each delivery.
    pub fn progress(&self) -> broadcast::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// How the connection is, now and from now on.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    /// Closes the connection once the service has all answers given so far. This takes a few seconds at most. An
    /// answer that has not arrived by then is dropped, and the service will send its message again on the device's
    /// next connection.
    ///
    /// # Errors
    /// The error that ended the inbox, or kept an answer from the service.
    pub async fn close(mut self) -> Result<(), Error> {
        self.hang_up();
        match self.connection.take() {
            Some(connection) => connection.await.unwrap_or(Ok(())),
            None => Ok(()),
        }
    }

    fn hang_up(&mut self) {
        self.close = None;
        // Nobody listens any more if the connection ended by itself.
        let _ = self.commands.send(Command::Close);
    }
}

impl Stream for Inbox {
    type Item = Result<Message, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        while let Some(message) = ready!(self.messages.poll_recv(context)) {
            // One that was withdrawn while it waited is of no use any more.
            if !matches!(&message, Ok(message) if message.is_withdrawn().is_some()) {
                return Poll::Ready(Some(message));
            }
        }
        let Some(connection) = self.connection.as_mut() else {
            return Poll::Ready(None);
        };
        let ended = ready!(Pin::new(connection).poll(context));
        self.connection = None;
        Poll::Ready(ended.unwrap_or(Ok(())).err().map(Err))
    }
}

/// An inbox that is dropped closes in the background, after the answers given so far; as with
/// [`Inbox::close`], that takes a few seconds at most.
impl Drop for Inbox {
    fn drop(&mut self) {
        self.hang_up();
    }
}

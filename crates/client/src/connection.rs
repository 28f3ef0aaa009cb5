//! The connection behind an inbox: it connects and reconnects, until the application is done or the service says that
//! reconnecting is pointless.
//!
//! It never answers a message that the application has not answered. It reads no further while the application has
//! not taken the earlier messages, so that the rest waits in the network and not in memory. An unconfirmed answer is
//! sent again on the next connection, even if its message is not: the service may have sent that for the last time.
//!
//! With a token function it goes on over a new connection before the token ends. When the service refuses a token, one
//! new token is tried; if that is refused, too, so would be all others.
//!
//! Closing takes precedence over everything else: [`CLOSE_TIMEOUT`] after it begins, the connection is gone, whatever
//! the network does, and no other follows.

use std::convert::Infallible;
use std::time::Duration;

use hyper::header::HeaderValue;
use tagpost_core::call::Progress;
use tagpost_core::delivery::Withdrawal;
use tagpost_core::id::MessageId;
use tagpost_core::protocol::Receipt;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::backoff::Backoff;
use crate::client::Client;
use crate::error::Error;
use crate::frame::{FromService, PING, PONG, ToService, Welcome};
use crate::inbox::Status;
use crate::message::Message;
use crate::progress::Held;
use crate::seen::{Seen, Sighting};
use crate::socket::Socket;
use crate::unconfirmed::Unconfirmed;

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// After a connection that lasted this long, the pauses start from the beginning.
const GOOD: Duration = Duration::from_secs(10);

/// How long the handshake and the welcome may take together.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(15);

/// How long closing may take. With a second for a busy machine, 5 s are promised.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(4);

/// What the application wants.
#[derive(Debug)]
pub(crate) enum Command {
    /// It answered a message.
    Answer { id: MessageId, frame: String },
    /// It works on a message.
    Progress { id: MessageId, frame: String },
    /// It has seen the receipts up to this one.
    ReceiptsSeen(i64),
    /// It is done.
    Close,
}

/// The task behind an inbox.
pub(crate) struct Connection {
    pub(crate) client: Client,
    pub(crate) commands: mpsc::UnboundedReceiver<Command>,
    /// Where messages send their answers: the other end of `commands`.
    pub(crate) answers: mpsc::UnboundedSender<Command>,
    /// Messages, and errors about answers that were refused.
    pub(crate) messages: mpsc::Sender<Result<Message, Error>>,
    /// Without it, receipts are not marked as seen.
    pub(crate) receipts: Option<mpsc::Sender<Receipt>>,
    /// What recipients of this device's messages say about their work. It is not kept for those who listen late.
    pub(crate) progress: broadcast::Sender<Progress>,
    pub(crate) status: watch::Sender<Status>,
    pub(crate) memory: Memory,
}

/// What is known across connections.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    seen: Seen,
    held: Held,
    /// The last receipt that the application was given.
    receipt_given: i64,
    /// The last receipt that it has seen.
    receipt_seen: i64,
    unconfirmed: Unconfirmed,
    /// What the service last found wrong with a frame.
    complaint: Option<String>,
}

impl Connection {
    /// Runs until the application is done, or an error makes reconnecting pointless.
    ///
    /// `wanted` ends as soon as the application is done, while [`Command::Close`] queues behind the answers.
    pub(crate) async fn run(mut self, wanted: oneshot::Receiver<Infallible>) -> Result<(), Error> {
        let overdue = async {
            let _ = wanted.await;
            sleep(CLOSE_TIMEOUT).await;
        };
        tokio::select! {
            ended = self.stay() => ended,
            () = overdue => Err(Error::Silent),
        }
    }

    /// Connects and reconnects. `Ok` means that the application is done.
    async fn stay(&mut self) -> Result<(), Error> {
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        let client = self.client.clone();
        // Whether a new token was asked for because the last one was refused.
        let mut is_refused = false;
        loop {
            self.status.send_replace(Status::Connecting);
            let token = tokio::select! {
                biased;
                () = self.done() => return self.memory.left(),
                token = client.credential().get() => token,
            };
            let (error, token) = match token {
                Ok(token) => match self.once(&client, &token).await {
                    Ended::Done(result) => return result,
                    Ended::Renewed => {
                        is_refused = false;
                        continue;
                    }
                    Ended::Lost { error, lasted } => {
                        is_refused &= lasted.is_none();
                        if lasted >= Some(GOOD) {
                            backoff.reset();
                        }
                        (error, Some(token))
                    }
                },
                Err(error) => (error, None),
            };
            if is_final(&error) {
                let refused = token.filter(|_| is_refusal(&error) && !is_refused);
                if !refused.is_some_and(|token| client.credential().refuse(&token)) {
                    return Err(self.explained(error));
                }
                is_refused = true;
            }
            let pause = error.retry_after().unwrap_or_else(|| backoff.next());
            self.status.send_replace(Status::Waiting {
                why: error.to_string(),
                pause,
            });
            tokio::select! {
                biased;
                () = self.done() => return self.memory.left(),
                () = sleep(pause) => {}
            }
        }
    }

    /// One connection, made with this token.
    async fn once(&mut self, client: &Client, token: &HeaderValue) -> Ended {
        let opened = tokio::select! {
            biased;
            () = self.done() => return Ended::Done(self.memory.left()),
            opened = timeout(HANDSHAKE_TIMEOUT, open(client, token)) => opened,
        };
        let (mut socket, welcome) = match opened.unwrap_or(Err(Error::Silent)) {
            Ok(opened) => opened,
            Err(error) => {
                return Ended::Lost {
                    error,
                    lasted: None,
                };
            }
        };
        let since = Instant::now();
        match self.serve(&mut socket, welcome, token).await {
            Ok(Served::Done) => Ended::Done(self.close(&mut socket).await),
            Ok(Served::Renewed) => {
                self.replace(&mut socket).await;
                Ended::Renewed
            }
            Err(error) => Ended::Lost {
                error,
                lasted: Some(since.elapsed()),
            },
        }
    }

    /// Takes what the application wants while there is no connection; returns when it is done.
    async fn done(&mut self) {
        while let Some(command) = self.commands.recv().await {
            // The last answers, and the last receipt that was seen, are sent on every connection.
            if self.memory.heed(&command).is_none() {
                return;
            }
        }
    }

    /// Serves one connection, which was made with this token.
    async fn serve(
        &mut self,
        socket: &mut Socket,
        welcome: Welcome,
        token: &HeaderValue,
    ) -> Result<Served, Error> {
        let credential = self.client.credential().clone();
        let renewed = credential.renewed(token);
        tokio::pin!(renewed);
        let mut pulse = Pulse::new(Duration::from_secs(welcome.keepalive.max(1).into()));
        self.status.send_replace(Status::Connected(welcome));
        // The first sign of life tells the service that this connection works.
        self.memory.unconfirmed.connected();
        socket.say(PING).await?;
        if self.memory.receipt_seen > 0 {
            // The service may not have heard it before the last connection broke.
            let seq = self.memory.receipt_seen;
            socket
                .say(&ToService::ReceiptsSeen { seq }.to_json()?)
                .await?;
        }
        for answer in self.memory.unconfirmed.frames() {
            socket.say(answer).await?;
        }
        loop {
            let listening = has_room(&self.messages, self.receipts.as_ref());
            tokio::select! {
                command = self.commands.recv() => {
                    let command = command.unwrap_or(Command::Close);
                    match self.memory.heed(&command) {
                        Some(Some(frame)) => socket.say(&frame).await?,
                        Some(None) => {}
                        None => return Ok(Served::Done),
                    }
                }
                heard = socket.hear(), if listening => {
                    pulse.heard();
                    self.take(&heard?, socket).await?;
                }
                () = room(&self.messages, self.receipts.as_ref()), if !listening => pulse.heard(),
                // What closing brings has to find room.
                () = &mut renewed, if listening => return Ok(Served::Renewed),
                () = sleep_until(pulse.due) => self.ping(socket, &mut pulse).await?,
                // While nothing is read, silence means nothing.
                () = sleep_until(pulse.dead), if listening => return Err(Error::Silent),
            }
            if self.memory.unconfirmed.wants_ping() {
                self.ping(socket, &mut pulse).await?;
            }
        }
    }

    async fn ping(&mut self, socket: &mut Socket, pulse: &mut Pulse) -> Result<(), Error> {
        socket.say(PING).await?;
        self.memory.unconfirmed.pinged();
        pulse.shown();
        Ok(())
    }

    /// Takes a frame of the service, for which there is room.
    async fn take(&mut self, text: &str, socket: &mut Socket) -> Result<(), Error> {
        if text == PONG {
            self.memory.unconfirmed.ponged();
            return Ok(());
        }
        match self.parse(text)? {
            FromService::Message(message) => match self.memory.seen.see(message.id) {
                // That fails only if the inbox is gone, and then the command to close is on its way.
                Sighting::First => {
                    let end = self.memory.held.give(message.id);
                    _ = self.messages.try_send(Ok(message.with(&self.answers, end)));
                }
                Sighting::Answered(frame) => {
                    self.memory.unconfirmed.add(message.id, frame);
                    socket.say(frame).await?;
                }
                Sighting::Unanswered => {}
            },
            FromService::Receipt(receipt) => {
                if let Some(receipts) = self.receipts.as_ref()
                    && receipt.seq > self.memory.receipt_given
                {
                    self.memory.receipt_given = receipt.seq;
                    if receipts.try_send(receipt).is_err() {
                        self.receipts = None;
                    }
                }
            }
            FromService::Withdrawn { id, reason } => self.memory.withdraw(id, reason),
            // Nobody may listen.
            FromService::Progress(progress) => _ = self.progress.send(progress),
            FromService::Error { detail, answer_to } => {
                if let Some(refused) = self.memory.complain(detail, answer_to) {
                    let _ = self.messages.try_send(Err(refused));
                }
            }
            FromService::Welcome(_) | FromService::Unknown => {}
        }
        Ok(())
    }

    /// Closes a connection that another one follows at once. What it did not confirm is sent again over that.
    async fn replace(&mut self, socket: &mut Socket) {
        if let Ok(Err(refused @ Error::AnswerRefused { .. })) =
            timeout(CLOSE_TIMEOUT, self.close(socket)).await
        {
            let _ = self.messages.try_send(Err(refused));
        }
    }

    /// Closes a connection over which all answers were sent. An answer that is refused meanwhile, or not confirmed, is
    /// an error.
    async fn close(&mut self, socket: &mut Socket) -> Result<(), Error> {
        let mut refused = None;
        let memory = &mut self.memory;
        let closed = socket.close(|text| {
            if text == PONG {
                memory.unconfirmed.ponged();
            } else if let Ok(FromService::Error { detail, answer_to }) = FromService::parse(text) {
                let error = memory.complain(detail, answer_to);
                refused = refused.take().or(error);
            }
        });
        let closed = closed.await;
        match (refused, closed) {
            (Some(refused), _) => Err(refused),
            (None, Err(error)) if !self.memory.unconfirmed.is_empty() => Err(error),
            (None, _) => Ok(()),
        }
    }

    fn parse(&self, text: &str) -> Result<FromService, Error> {
        FromService::parse(text).map_err(|error| Error::NotUnderstood {
            url: self.client.url().to_owned(),
            reason: error.to_string(),
        })
    }

    /// The same error, with what the service complained of.
    fn explained(&mut self, error: Error) -> Error {
        match (error, self.memory.complaint.take()) {
            (Error::BadFrames(_), Some(complaint)) => Error::BadFrames(complaint),
            (error, _) => error,
        }
    }
}

/// How a connection ended, or an attempt to make one.
enum Ended {
    /// The application is done.
    Done(Result<(), Error>),
    /// There is a new token to go on with.
    Renewed,
    /// Something else ended it; `lasted` is how long there was one.
    Lost {
        error: Error,
        lasted: Option<Duration>,
    },
}

/// Why a connection that works is given up.
enum Served {
    /// The application is done.
    Done,
    /// There is a new token to go on with.
    Renewed,
}

impl Memory {
    /// Notes what the application wants. `None` if it is done, else the frame to send, if there is one.
    fn heed(&mut self, command: &Command) -> Option<Option<String>> {
        match command {
            Command::Progress { id, frame } => {
                Some((!self.seen.is_answered(*id)).then(|| frame.clone()))
            }
            Command::Answer { id, frame } => {
                self.held.answered(*id);
                let is_first = self.seen.answer(*id, frame);
                if is_first {
                    self.unconfirmed.add(*id, frame);
                }
                Some(is_first.then(|| frame.clone()))
            }
            Command::ReceiptsSeen(seq) => {
                self.receipt_seen = *seq;
                Some(ToService::ReceiptsSeen { seq: *seq }.to_json().ok())
            }
            Command::Close => None,
        }
    }

    /// A message has ended without an answer: one that was given meanwhile has no effect.
    fn withdraw(&mut self, id: MessageId, reason: Withdrawal) {
        self.held.withdraw(id, reason);
        self.seen.forget(id);
        self.unconfirmed.remove(id);
    }

    /// Notes what the service found wrong with a frame; the error for the application if it was an answer.
    fn complain(&mut self, detail: String, answer_to: Option<MessageId>) -> Option<Error> {
        match answer_to.filter(|id| self.seen.retract(*id)) {
            Some(id) => {
                self.unconfirmed.remove(id);
                Some(Error::AnswerRefused { id, detail })
            }
            None => {
                self.complaint = Some(detail);
                None
            }
        }
    }

    /// The result of an inbox that ends without a connection.
    fn left(&self) -> Result<(), Error> {
        if self.unconfirmed.is_empty() {
            Ok(())
        } else {
            let what = "the service did not confirm every answer";
            Err(Error::Closed(what.to_owned()))
        }
    }
}

/// When to send a ping, and when to consider the service gone.
struct Pulse {
    keepalive: Duration,
    due: Instant,
    dead: Instant,
}

impl Pulse {
    fn new(keepalive: Duration) -> Self {
        let now = Instant::now();
        Self {
            keepalive,
            due: now + keepalive,
            dead: now + keepalive.mul_f64(1.5),
        }
    }

    fn shown(&mut self) {
        self.due = Instant::now() + self.keepalive;
    }

    fn heard(&mut self) {
        self.dead = Instant::now() + self.keepalive.mul_f64(1.5);
    }
}

/// A connection, and the frame that welcomes the device to it.
async fn open(client: &Client, token: &HeaderValue) -> Result<(Socket, Welcome), Error> {
    let mut socket = Socket::open(client, token).await?;
    let first = socket.hear().await?;
    match FromService::parse(&first) {
        Ok(FromService::Welcome(welcome)) => Ok((socket, welcome)),
        _ => Err(Error::Closed("the first frame is not a welcome".to_owned())),
    }
}

/// Whether the application can be given whatever comes next.
fn has_room<T>(messages: &mpsc::Sender<T>, receipts: Option<&mpsc::Sender<Receipt>>) -> bool {
    messages.capacity() > 0 && receipts.is_none_or(|receipts| receipts.capacity() > 0)
}

/// Waits until [`has_room`]. Nobody else fills these channels, so the room stays.
async fn room<T>(messages: &mpsc::Sender<T>, receipts: Option<&mpsc::Sender<Receipt>>) {
    drop(messages.reserve().await);
    if let Some(receipts) = receipts {
        drop(receipts.reserve().await);
    }
}

/// Whether a connection that ended like this would end like this again.
fn is_final(error: &Error) -> bool {
    match error {
        Error::TakenOver | Error::BadFrames(_) | Error::NoFurtherToken(_) => true,
        error => is_refusal(error),
    }
}

/// Whether the service has refused the token.
fn is_refusal(error: &Error) -> bool {
    match error {
        Error::TokenEnded => true,
        Error::Refused(problem) => matches!(problem.status, 401 | 403),
        _ => false,
    }
}

#[cfg(test)]
mod tests;

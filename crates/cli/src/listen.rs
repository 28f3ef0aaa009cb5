//! `tagpost listen`: a device that prints messages as they come, and answers them.
//!
//! A message is printed before it is acknowledged: if the output cannot be written, it comes again.

use std::future::pending;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::{FutureExt, LocalBoxFuture, join_all};
use futures_util::stream::FuturesUnordered;
use serde::Serialize;
use tagpost_client::{
    AnswerError, Error, Inbox, Message, MessageId, Progress, Receipt, Receipts, State, Status,
    Withdrawal,
};
use tagpost_core::protocol::tagpost_v1::MAX_REPLY_BYTES;

use crate::advice::Failure;
use crate::arguments::{Global, Listen};
use crate::clock;
use crate::exec::{self, Answered, Exec, Service};
use crate::look;
use crate::output::{self, FAINT, Outcome};
use crate::recognise::{self, Found};
use crate::session::Session;
use crate::signals::interrupted;

/// Seconds after which it is said when a message was sent.
const LATE: u32 = 60;

/// A line of JSON: a frame as the service sends it.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Line<'a> {
    Message(&'a Message),
    Receipt(&'a Receipt),
    Progress(&'a Progress),
    Withdrawn { id: MessageId, reason: Withdrawal },
}

pub(crate) async fn run(global: &Global, options: Listen) -> Result<Outcome, Failure> {
    if options.no_ack {
        return look::run(global, None, options.once.then_some(1)).await;
    }
    if let Some(reply) = &options.reply {
        check(reply)?;
    }
    let session = Session::open(global)?;
    let mut client = session.device()?;
    if options.exec.is_some() || options.once {
        // Of what it cannot work on yet, as little as possible is to be sent: while a message waits here, the time to
        // acknowledge it runs.
        client = client.max_in_flight(options.parallel);
    }
    let (inbox, receipts) = if options.receipts {
        let (inbox, receipts) = client.connect_with_receipts();
        (inbox, Some(receipts))
    } else {
        (client.connect(), None)
    };
    let limit = Duration::from_secs(options.exec_timeout.into());
    let service = Service {
        url: session.url.clone(),
        profile: global.profile.clone(),
    };
    let execs: Vec<Exec> = match options.exec {
        Some(command) => (0..options.parallel)
            .map(|_| Exec::new(command.clone(), service.clone(), limit))
            .collect(),
        None => Vec::new(),
    };
    // Ctrl-C ends the waiting and the working: a message that is being worked on comes again.
    let mut listener = Listener {
        global,
        url: session.url,
        reply: options.reply,
        once: options.once,
        inbox,
        receipts,
        rejected: None,
    };
    let ended = tokio::select! {
        ended = listener.listen(&execs) => Some(ended),
        () = interrupted() => None,
    };
    // Before this returns, the service has all answers, and the commands that were working on messages have ended. A
    // second Ctrl-C does not wait for that.
    let Listener { inbox, .. } = listener;
    let end = async {
        join_all(execs.iter().map(Exec::end)).await;
    };
    let closed = tokio::select! {
        (closed, ()) = async { tokio::join!(inbox.close(), end) } => closed,
        () = interrupted() => Ok(()),
    };
    match (ended.transpose()?, closed) {
        // The one message that this was about may not be answered.
        (Some(_), Err(error)) => Err(error.into()),
        (None, Err(error)) => {
            output::note(format!("not closed cleanly: {error}"));
            Ok(Outcome::Done)
        }
        (Some(Answered::Rejected | Answered::Withdrawn(_)), Ok(())) => Ok(Outcome::Failed),
        (_, Ok(())) => Ok(Outcome::Done),
    }
}

struct Listener<'a> {
    global: &'a Global,
    url: String,
    reply: Option<String>,
    once: bool,
    inbox: Inbox,
    receipts: Option<Receipts>,
    /// The message that was rejected last because its answer was refused.
    rejected: Option<MessageId>,
}

impl Listener<'_> {
    /// Answers messages until one is enough: how that was answered. Each of `execs` works on one message at a time;
    /// while all of them do, no further message is taken.
    async fn listen(&mut self, execs: &[Exec]) -> Result<Answered, Failure> {
        let mut status = self.inbox.status();
        let mut progress = self.inbox.progress();
        // Until it was connected once, or somebody has looked at what is there.
        let mut is_strange = true;
        let mut was_connected = false;
        tell(&status.borrow_and_update(), false);
        let mut idle: Vec<&Exec> = execs.iter().collect();
        let mut working: FuturesUnordered<LocalBoxFuture<'_, Worked<'_>>> = FuturesUnordered::new();
        loop {
            tokio::select! {
                Some((exec, message, answered)) = working.next(), if !working.is_empty() => {
                    idle.push(exec);
                    let answered = self.answered(&message, answered)?;
                    if self.once {
                        return Ok(answered);
                    }
                }
                message = self.inbox.next(), if execs.is_empty() || !idle.is_empty() => match message {
                    Some(Ok(message)) => {
                        show_message(self.global, &message)?;
                        if let Some(exec) = idle.pop() {
                            working.push(work(exec, message).boxed_local());
                            continue;
                        }
                        let answered = match &self.reply {
                            Some(reply) => exec::reply(&message, reply),
                            None => message.ack().map(|()| Answered::Acknowledged),
                        };
                        let answered = self.answered(&message, answered)?;
                        if self.once {
                            return Ok(answered);
                        }
                    }
                    Some(Err(error @ Error::AnswerRefused { .. })) => self.reject(&error),
                    Some(Err(error)) => return Err(error.into()),
                    None => return Err(Failure::new("the connection ended")),
                },
                Some(receipt) = next(&mut self.receipts) => show_receipt(self.global, &receipt)?,
                Ok(progress) = progress.recv(), if self.receipts.is_some() => {
                    show_progress(self.global, &progress)?;
                }
                Ok(()) = status.changed() => {
                    let now = status.borrow_and_update().clone();
                    tell(&now, was_connected);
                    match now {
                        Status::Connected(_) => (is_strange, was_connected) = (false, true),
                        Status::Waiting { .. } if std::mem::take(&mut is_strange) => {
                            self.recognise().await?;
                        }
                        _ => {}
                    }
                }
            }
        }
    }

    /// After a first attempt that failed: what does not speak tagpost will not begin to.
    async fn recognise(&self) -> Result<(), Failure> {
        let url = self.url.trim_end_matches('/');
        match recognise::ask(url).await {
            Found::Another => return Err(recognise::another(url)),
            Found::Tagpost(_) => {}
            Found::Unknown => {
                if let Some(hint) = recognise::there(url).await {
                    output::note(hint);
                }
            }
        }
        Ok(())
    }

    /// Rejects a message whose answer was refused: without an answer it would come again, and be shown to
    /// nobody. A rejection that is refused, too, is only told.
    fn reject(&mut self, refused: &Error) {
        output::note(refused.to_string());
        if let Error::AnswerRefused { id, detail } = refused
            && self.rejected.replace(*id) != Some(*id)
            && let Err(error) = self.inbox.nack(*id, &exec::shortened(detail))
        {
            output::note(format!("{id} was not rejected: {error}"));
        }
    }

    /// Says of a message that was withdrawn why.
    fn answered(
        &self,
        message: &Message,
        answered: Result<Answered, AnswerError>,
    ) -> Result<Answered, Failure> {
        let failed = |error| Failure::new(format!("{} was not answered: {error}", message.id));
        let answered = answered.map_err(failed)?;
        if let Answered::Withdrawn(reason) = answered {
            show_withdrawn(self.global, message.id, reason)?;
        }
        Ok(answered)
    }
}

/// A command that has ended, its message, and how that was answered.
type Worked<'a> = (&'a Exec, Message, Result<Answered, AnswerError>);

/// Runs the command for a message, which it keeps meanwhile.
async fn work(exec: &Exec, message: Message) -> Worked<'_> {
    let answered = exec.answer(&message).await;
    (exec, message, answered)
}

/// Refuses a reply that no service would take before anything comes.
fn check(reply: &str) -> Result<(), Failure> {
    let json = serde_json::from_str::<serde::de::IgnoredAny>(reply).is_ok();
    let length = if json {
        reply.trim().len()
    } else {
        serde_json::json!(reply).to_string().len()
    };
    if length > MAX_REPLY_BYTES {
        return Err(Failure::new(format!(
            "--reply has {length} bytes of JSON; at most {MAX_REPLY_BYTES} are allowed"
        )));
    }
    Ok(())
}

async fn next(receipts: &mut Option<Receipts>) -> Option<Receipt> {
    match receipts {
        Some(receipts) => receipts.next().await,
        None => pending().await,
    }
}

fn show_message(global: &Global, message: &Message) -> Result<(), Failure> {
    if global.json {
        return output::json(&Line::Message(message));
    }
    let payload = match message.text() {
        Ok(text) => output::text(&text),
        Err(_) => {
            let length = message.bytes().map_or(0, |bytes| bytes.len());
            output::bytes(length, &message.content_type)
        }
    };
    let again = match message.attempt {
        1 => String::new(),
        attempt => format!(", attempt {attempt}"),
    };
    let (from, to) = (&message.from, &message.to);
    let waited = match message.sent_at < clock::ago(LATE) {
        true => format!(", sent {}", output::age(message.sent_at)),
        false => String::new(),
    };
    output::stamped(format!(
        "{from} {FAINT}to {to}, {}{waited}{again}:{FAINT:#} {payload}",
        message.id
    ))
}

fn show_receipt(global: &Global, receipt: &Receipt) -> Result<(), Failure> {
    if global.json {
        return output::json(&Line::Receipt(receipt));
    }
    let answer = output::answer(receipt.reply.as_deref(), receipt.reason.as_deref());
    let state = output::state(receipt.state);
    let line = format!(
        "{state} {} {FAINT}{}{FAINT:#}  {answer}",
        output::recipient(receipt.device.as_ref()),
        receipt.id
    );
    output::stamped(line.trim_end())
}

fn show_progress(global: &Global, progress: &Progress) -> Result<(), Failure> {
    if global.json {
        return output::json(&Line::Progress(progress));
    }
    let note = output::visible(progress.note.as_deref().unwrap_or_default());
    let state = output::state(State::InProgress);
    let line = format!(
        "{state} {} {FAINT}{}{FAINT:#}  {note}",
        progress.device, progress.id
    );
    output::stamped(line.trim_end())
}

fn show_withdrawn(global: &Global, id: MessageId, reason: Withdrawal) -> Result<(), Failure> {
    if global.json {
        return output::json(&Line::Withdrawn { id, reason });
    }
    let why = match reason {
        Withdrawal::Cancelled => "its sender cancelled it",
        Withdrawal::Replaced => "a newer message replaced it",
        Withdrawal::Expired => "it expired",
        Withdrawal::Enough => "enough other devices acknowledged it",
    };
    output::stamped(format!("withdrawn {FAINT}{id}{FAINT:#}: {why}"))
}

/// `again` if it was connected before.
fn tell(status: &Status, again: bool) {
    match status {
        Status::Connected(welcome) => {
            let words = if again {
                "connected again"
            } else {
                "listening"
            };
            let waiting = match welcome.held {
                0 => String::new(),
                held => format!(", {held} waiting"),
            };
            output::note(format!("{words} as {}{waiting}", welcome.device));
        }
        Status::Waiting { why, pause } => {
            output::note(format!(
                "{why}; trying again in {:.1} s",
                pause.as_secs_f64()
            ));
        }
        _ => {}
    }
}

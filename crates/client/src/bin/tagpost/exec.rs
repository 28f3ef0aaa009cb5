//! A command of the user's, run for a message: the payload goes in, the answer comes out.

use std::process::{Output, Stdio};

use tagpost_client::{AnswerError, Message, Target};
use tagpost_core::frame::MAX_REASON;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::output;

/// Runs the command for a message, and answers the message with what came of it.
pub(crate) async fn answer(command: &str, message: &Message) -> Result<(), AnswerError> {
    match run(command, message).await {
        Ok(output) if output.status.success() => acknowledge(message, &output.stdout),
        Ok(output) => message.nack(&reason(&output)),
        Err(reason) => message.nack(&shortened(&reason)),
    }
}

async fn run(command: &str, message: &Message) -> Result<Output, String> {
    let payload = message.bytes().map_err(|error| error.to_string())?;
    let mut shell = shell(command);
    shell
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .env("TAGPOST_ID", message.id.to_string())
        .env("TAGPOST_FROM", message.from.as_str())
        .env("TAGPOST_CONTENT_TYPE", &message.content_type)
        .env("TAGPOST_ATTEMPT", message.attempt.to_string());
    match &message.to {
        Target::Tag(tag) => shell.env("TAGPOST_TAG", tag.as_str()),
        Target::Device(_) => shell.env_remove("TAGPOST_TAG"),
    };
    let mut child = shell
        .spawn()
        .map_err(|error| format!("the command cannot be run: {error}"))?;
    let input = child.stdin.take();
    let feed = async {
        if let Some(mut input) = input {
            // A command need not read what it is given.
            let _ = input.write_all(&payload).await;
        }
    };
    let (output, ()) = tokio::join!(child.wait_with_output(), feed);
    output.map_err(|error| format!("the command was lost: {error}"))
}

#[cfg(unix)]
fn shell(command: &str) -> Command {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", command]);
    shell
}

#[cfg(windows)]
fn shell(command: &str) -> Command {
    let mut shell = Command::new("cmd");
    shell.args(["/C", command]);
    shell
}

/// Acknowledges with what the command printed. Its work is done, so that a reply that is too long is left
/// out rather than the acknowledgement.
fn acknowledge(message: &Message, printed: &[u8]) -> Result<(), AnswerError> {
    let text = String::from_utf8_lossy(printed);
    let text = text.trim();
    if text.is_empty() {
        return message.ack();
    }
    match reply(message, text) {
        Err(error @ AnswerError::ReplyTooLong(_)) => {
            output::note(format!(
                "{}: acknowledged without a reply: {error}",
                message.id
            ));
            message.ack()
        }
        answered => answered,
    }
}

/// Acknowledges with this text: as JSON if it is JSON, else as a string.
pub(crate) fn reply(message: &Message, text: &str) -> Result<(), AnswerError> {
    match serde_json::from_str::<&tagpost_client::RawValue>(text) {
        Ok(json) => message.reply(json),
        Err(_) => message.reply(text),
    }
}

/// What the command printed, or else how it ended.
fn reason(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout);
    match text.trim() {
        "" => output.status.to_string(),
        text => shortened(text),
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(MAX_REASON).collect()
}

//! Failures, and what to do about them.

use std::io;
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use tagpost_client::Error;

const ERROR: Style = AnsiColor::Red.on_default().bold();

/// Why a command did not do what it was asked for.
#[derive(Debug)]
pub(crate) struct Failure {
    what: String,
    /// What to do next.
    advice: Option<String>,
    /// The reader of standard output is gone; nobody is there to be told.
    silent: bool,
}

impl Failure {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            advice: None,
            silent: false,
        }
    }

    /// The same failure, with what to do next.
    pub(crate) fn advise(self, advice: impl Into<String>) -> Self {
        Self {
            advice: Some(advice.into()),
            ..self
        }
    }

    /// The same failure, with one more thing to do, after what is advised already.
    pub(crate) fn advise_as_well(self, advice: impl Into<String>) -> Self {
        let advice = advice.into();
        let advice = match &self.advice {
            Some(first) => format!("{first}\n  {advice}"),
            None => advice,
        };
        self.advise(advice)
    }

    /// Tells the user.
    pub(crate) fn report(&self) -> ExitCode {
        if !self.silent {
            anstream::eprintln!("{ERROR}error:{ERROR:#} {}", self.what);
            if let Some(advice) = &self.advice {
                anstream::eprintln!("  {advice}");
            }
        }
        ExitCode::FAILURE
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let advice = advice(&error);
        Self {
            advice: advice.map(ToOwned::to_owned),
            ..Self::new(error.to_string())
        }
    }
}

/// Of writing a result.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self {
            silent: error.kind() == io::ErrorKind::BrokenPipe,
            ..Self::new(format!("cannot write the output: {error}"))
        }
    }
}

/// What to do next.
fn advice(error: &Error) -> Option<&'static str> {
    Some(match error {
        Error::Unreachable { .. } => {
            "Is the service running, and is the URL right? It comes from `tagpost login` or TAGPOST_URL."
        }
        Error::NotUnderstood { .. } => {
            "Does the URL belong to a tagpost service? It comes from `tagpost login` or TAGPOST_URL."
        }
        Error::Url { .. } => "Give a URL such as https://push.example.com.",
        Error::Credential => "Copy the token or key again, without line breaks.",
        Error::TokenEnded => {
            "Get a new one with `tagpost device add DEVICE`, and store it with `tagpost login URL`."
        }
        Error::TakenOver => {
            "A device has one connection at a time: use a device of its own for each listener."
        }
        Error::Refused(problem) => match problem.code.as_str() {
            "unauthorized" => {
                "Get a token with `tagpost device add DEVICE`, and store it with `tagpost login URL`."
            }
            "forbidden" => {
                "`tagpost status` shows your credential; a token may be limited by its patterns."
            }
            "too_many_tags" => {
                "Leave a tag with `tagpost tag leave TAG`; `tagpost status` lists those it has."
            }
            "unknown_tag" => "Bind a device to the tag with `tagpost tag add TAG DEVICE`.",
            "unknown_device" => {
                "Create it with `tagpost device add DEVICE`; `tagpost device ls` lists all devices."
            }
            "unknown_message" => "`tagpost ls` lists the messages that are still stored.",
            "too_many_requests" => "Wait a little, or set a longer --retry.",
            "idempotency_mismatch" => "Use another --key: this one belongs to another message.",
            _ => return None,
        },
        _ => return None,
    })
}

//! Failures, and what to do about them.

use std::io::{self, Write};
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};
use tagpost_client::{Error, Problem};
use tagpost_core::problem::Code;

const ERROR: Style = AnsiColor::Red.on_default().bold();

/// Why a command did not do what it was asked for.
#[derive(Debug)]
pub(crate) struct Failure {
    what: String,
    /// Which kind of failure, for programs.
    kind: Kind,
    /// What to do next.
    advice: Option<String>,
    /// Whether something else than a tagpost service of this version would explain it.
    suspect: bool,
    /// The reader of standard output is gone; nobody is there to be told.
    silent: bool,
}

/// Who says that something failed.
#[derive(Debug)]
enum Kind {
    /// The service does, with a problem document.
    Refused(Box<Problem>),
    /// This command does, with a code of its own.
    Own(&'static str),
}

impl Failure {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self::of_kind("failed", what)
    }

    /// A failure with a code that tells it from others.
    pub(crate) fn of_kind(code: &'static str, what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            kind: Kind::Own(code),
            advice: None,
            suspect: false,
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

    /// Whether it is worth looking at what answers at the URL.
    pub(crate) fn is_suspect(&self) -> bool {
        self.suspect
    }

    /// Whether the service has refused something.
    pub(crate) fn is_refused(&self) -> bool {
        matches!(self.kind, Kind::Refused(_))
    }

    /// Tells the user, and is the exit code.
    pub(crate) fn report(&self, json: bool) -> ExitCode {
        self.tell(json);
        ExitCode::FAILURE
    }

    /// Tells the user, if somebody is there; with JSON, as a problem document (RFC 9457) on one line.
    pub(crate) fn tell(&self, json: bool) {
        if self.silent {
            return;
        }
        if json {
            // That nobody reads along is no reason to fail in another way.
            let _ = writeln!(io::stderr(), "{}", self.document());
            return;
        }
        anstream::eprintln!("{ERROR}error:{ERROR:#} {}", self.what);
        if let Some(advice) = &self.advice {
            anstream::eprintln!("  {advice}");
        }
    }

    /// The problem as the service stated it, or one of this command, which has no status; and the advice.
    fn document(&self) -> Value {
        let mut document = match &self.kind {
            Kind::Refused(problem) => {
                let code = Code::ALL
                    .iter()
                    .find(|code| code.as_str() == problem.code.as_str());
                json!({
                    "type": format!("urn:tagpost:problem:{}", problem.code),
                    "title": code.map_or("The service refused it", |code| code.title()),
                    "status": problem.status,
                    "detail": problem.detail,
                    "code": problem.code,
                })
            }
            Kind::Own(code) => json!({
                "type": format!("urn:tagpost:command:{code}"),
                "title": "The command failed",
                "detail": self.what,
                "code": code,
            }),
        };
        if let (Some(advice), Value::Object(members)) = (&self.advice, &mut document) {
            members.insert("advice".to_owned(), json!(advice));
        }
        document
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let advice = advice(&error);
        let what = error.to_string();
        let suspect = is_suspect(&error);
        let kind = match error {
            Error::Refused(problem) => Kind::Refused(Box::new(problem)),
            error => Kind::Own(code(&error)),
        };
        Self {
            kind,
            suspect,
            advice: advice.map(ToOwned::to_owned),
            ..Self::new(what)
        }
    }
}

/// No answer, one that was not understood, or a path that the service does not know.
fn is_suspect(error: &Error) -> bool {
    match error {
        Error::Unreachable { .. } | Error::NotUnderstood { .. } => true,
        Error::Refused(problem) => {
            matches!(
                problem.code.as_str(),
                "not_found" | "method_not_allowed" | "unknown"
            )
        }
        _ => false,
    }
}

/// The code of a failure that the service did not state.
fn code(error: &Error) -> &'static str {
    match error {
        Error::Url { .. } => "invalid_url",
        Error::Credential => "invalid_credential",
        Error::Unreachable { .. } => "unreachable",
        Error::NotUnderstood { .. } => "not_understood",
        Error::TokenEnded => "token_ended",
        Error::TakenOver => "taken_over",
        _ => "failed",
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
            "unknown_tag" => {
                "Bind a device to the tag with `tagpost tag add TAG DEVICE`. A device is written as @DEVICE."
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_of_the_service_is_passed_on_with_the_advice() {
        let problem = json!({ "status": 404, "code": "unknown_tag", "detail": "no device has the tag attic" });
        let problem: Problem = serde_json::from_value(problem).unwrap();
        let document = Failure::from(Error::Refused(problem)).document();
        assert_eq!(document["type"], "urn:tagpost:problem:unknown_tag");
        assert_eq!(document["title"], Code::UnknownTag.title());
        assert_eq!(document["status"], 404);
        assert_eq!(document["code"], "unknown_tag");
        assert_eq!(document["detail"], "no device has the tag attic");
        let advice = document["advice"].as_str().unwrap();
        assert!(advice.contains("tagpost tag add"), "{advice}");
    }

    #[test]
    fn a_failure_of_the_command_has_a_code_and_no_status() {
        let document = Failure::from(Error::TakenOver).document();
        assert_eq!(document["type"], "urn:tagpost:command:taken_over");
        assert_eq!(document["code"], "taken_over");
        assert!(document.get("status").is_none());
        let document = Failure::new("no").document();
        assert_eq!(
            (&document["code"], &document["detail"]),
            (&json!("failed"), &json!("no"))
        );
        assert!(document.get("advice").is_none());
    }
}

//! Webhook deliveries of GitHub.
//!
//! The header `X-GitHub-Event` names the event. The body is JSON, or a form with the JSON in `payload`, as a webhook of
//! GitHub sends unless it is set otherwise.
//! <https://docs.github.com/en/webhooks/webhook-events-and-payloads>

use serde_json::Value;

use super::notification::{Notification, cut};
use super::parts;

/// The longest line of a commit, in characters.
const LINE: usize = 100;

/// The notification of a delivery; `None` if it is not a GitHub delivery.
pub(super) fn read(header: impl Fn(&str) -> Option<String>, body: &[u8]) -> Option<Notification> {
    let event = header("X-GitHub-Event")?;
    let delivery = Delivery(payload(header("Content-Type"), body)?);
    let place = delivery.place()?;
    match event.as_str() {
        "ping" => Some(delivery.ping(place)),
        "push" => delivery.push(place),
        "pull_request" => delivery.numbered(place, "pull request", "/pull_request"),
        "issues" => delivery.numbered(place, "issue", "/issue"),
        "workflow_run" => delivery.workflow_run(place),
        "release" => delivery.release(place),
        other => Some(delivery.other(place, other)),
    }
}

/// The JSON of a delivery.
fn payload(content_type: Option<String>, body: &[u8]) -> Option<Value> {
    let is_form = content_type.is_some_and(|it| {
        let it = it.trim_start().to_ascii_lowercase();
        it.starts_with("application/x-www-form-urlencoded")
    });
    if !is_form {
        return serde_json::from_slice(body).ok();
    }
    let (_, payload) = form_urlencoded::parse(body).find(|(name, _)| name == "payload")?;
    serde_json::from_slice(payload.as_bytes()).ok()
}

struct Delivery(Value);

impl Delivery {
    fn text(&self, pointer: &str) -> Option<&str> {
        parts::text(&self.0, pointer)
    }

    fn is_true(&self, pointer: &str) -> bool {
        self.0.pointer(pointer).and_then(Value::as_bool) == Some(true)
    }

    /// The repository, or the organization.
    fn place(&self) -> Option<&str> {
        self.text("/repository/full_name")
            .or_else(|| self.text("/organization/login"))
    }

    /// `by NAME`, or nothing.
    fn by(&self) -> String {
        let sender = self.text("/sender/login");
        sender.map_or(String::new(), |sender| format!("by {sender}"))
    }

    fn ping(&self, place: &str) -> Notification {
        let (body, url) = (self.text("/zen"), self.text("/repository/html_url"));
        let title = format!("{place}: the webhook works");
        Notification::new(&title, body.unwrap_or_default(), url)
    }

    fn push(&self, place: &str) -> Option<Notification> {
        let reference = self.text("/ref")?;
        let (kind, name) = match reference.strip_prefix("refs/tags/") {
            Some(tag) => ("tag", tag),
            None => (
                "branch",
                reference.strip_prefix("refs/heads/").unwrap_or(reference),
            ),
        };
        let commits = self.0.pointer("/commits").and_then(Value::as_array);
        let commits = commits.map_or(&[][..], Vec::as_slice);
        let is_deleted = self.is_true("/deleted");
        let title = match commits.len() {
            _ if is_deleted => format!("{place}: {kind} {name} deleted"),
            0 if self.is_true("/created") => format!("{place}: new {kind} {name}"),
            number => {
                let plural = if number == 1 { "" } else { "s" };
                let forced = if self.is_true("/forced") {
                    ", forced"
                } else {
                    ""
                };
                format!("{place}: {number} commit{plural} to {name}{forced}")
            }
        };
        let body = match commits {
            [] => self.by(),
            _ => parts::beginning(commits.iter().map(commit), commits.len()),
        };
        // With what is deleted nothing can be compared.
        let url = match is_deleted {
            true => "/repository/html_url",
            false => "/compare",
        };
        Some(Notification::new(&title, &body, self.text(url)))
    }

    /// What happened to something with a number and a title.
    fn numbered(&self, place: &str, kind: &str, at: &str) -> Option<Notification> {
        let of = |field: &str| self.text(&format!("{at}/{field}"));
        let number = self.0.pointer(&format!("{at}/number"))?.as_u64()?;
        let action = match self.text("/action")? {
            "closed" if self.is_true(&format!("{at}/merged")) => "merged".to_owned(),
            "synchronize" => "updated".to_owned(),
            action => spoken(action),
        };
        let title = format!("{place}: {kind} #{number} {action}");
        let body = format!("{}\n{}", of("title").unwrap_or_default(), self.by());
        Some(Notification::new(&title, &body, of("html_url")))
    }

    fn workflow_run(&self, place: &str) -> Option<Notification> {
        let of = |field: &str| self.text(&format!("/workflow_run/{field}"));
        let state = match of("conclusion").or_else(|| of("status"))? {
            "success" => "succeeded".to_owned(),
            "failure" => "failed".to_owned(),
            other => spoken(other),
        };
        let title = format!("{place}: {} {state}", of("name").unwrap_or("workflow"));
        let branch = of("head_branch").map_or(String::new(), |branch| format!("on {branch}"));
        let number = self.0.pointer("/workflow_run/run_number");
        let number = number.and_then(Value::as_u64);
        let run = number.map_or(String::new(), |number| format!("run {number} "));
        let body = format!("{}\n{run}{branch}", of("display_title").unwrap_or_default());
        Some(Notification::new(&title, &body, of("html_url")))
    }

    fn release(&self, place: &str) -> Option<Notification> {
        let of = |field: &str| self.text(&format!("/release/{field}"));
        let (tag, action) = (of("tag_name")?, spoken(self.text("/action")?));
        let title = format!("{place}: release {tag} {action}");
        let name = of("name").filter(|name| *name != tag).unwrap_or_default();
        let body = format!("{name}\n{}", of("body").unwrap_or_default());
        Some(Notification::new(&title, &body, of("html_url")))
    }

    /// Any other event.
    fn other(&self, place: &str, event: &str) -> Notification {
        let action = self.text("/action").map(spoken).unwrap_or_default();
        let title = format!("{place}: {} {action}", spoken(event));
        Notification::new(&title, &self.by(), self.text("/repository/html_url"))
    }
}

/// The first line of a commit's message, and who wrote it.
fn commit(commit: &Value) -> String {
    let text = |pointer| commit.pointer(pointer).and_then(Value::as_str);
    let message = text("/message").unwrap_or_default();
    let line = cut(
        message.split('\n').next().unwrap_or_default().trim_end(),
        LINE,
    );
    match text("/author/name") {
        Some(author) => format!("{line} ({author})"),
        None => line,
    }
}

/// A name of GitHub's as words: `ready_for_review`.
fn spoken(name: &str) -> String {
    let words = name.chars().map(|c| if c == '_' { ' ' } else { c });
    words.collect()
}

//! Two demo devices: a doorbell that publishes to the tag `hallway`, and a camera that is bound to it.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use ureq::Agent;

use crate::secrets::{Secrets, write_private};

const TAG: &str = "hallway";
const SENDER: &str = "doorbell";
const RECEIVER: &str = "kitchen-cam";

/// Creates both devices, binds the camera to the tag, and keeps their tokens below `state`.
pub(crate) fn create(url: &str, secrets: &Secrets, state: &Path) -> Result<()> {
    #[derive(Deserialize)]
    struct Created {
        token: String,
    }
    let operator = Operator::new(url, secrets);
    for device in [SENDER, RECEIVER] {
        let created: Option<Created> = operator.put(&format!("/v1/devices/{device}"))?;
        let Some(Created { token }) = created else {
            bail!("the service gave {device} no token");
        };
        write_private(&token_file(state, device), &token)?;
    }
    let _: Option<Created> = operator.put(&format!("/v1/tags/{TAG}/devices/{RECEIVER}"))?;
    Ok(())
}

/// The link that opens the console as the operator and as both devices. What follows `#` stays in the
/// browser.
pub(crate) fn console(url: &str, secrets: &Secrets) -> String {
    let admin_key: String = form_urlencoded::byte_serialize(secrets.admin_key.as_bytes()).collect();
    format!(
        r#"The console, with both devices side by side (the link holds the admin key):

  {url}/#admin_key={admin_key}&device={SENDER}&device={RECEIVER}&tag={TAG}
"#
    )
}

/// What to paste into other terminals, in the repository's root.
pub(crate) fn commands(url: &str, state: &Path) -> Result<String> {
    let quote = |path: &Path| -> Result<String> {
        let path = path
            .to_str()
            .with_context(|| format!("{} is not Unicode", path.display()))?;
        Ok(shlex::try_quote(path)?.into_owned())
    };
    let sender = quote(&token_file(state, SENDER))?;
    let receiver = quote(&token_file(state, RECEIVER))?;
    let answer = quote(&state.join("answer"))?;
    Ok(format!(
        r#"In a second terminal, {RECEIVER} listens:

  TAGPOST_URL={url} TAGPOST_TOKEN=$(cat {receiver}) node examples/listen.mjs

In a third one, {SENDER} publishes to the tag {TAG}:

  sed 's/^/Authorization: Bearer /' {sender} | curl -sw '\n' -D {answer} -H @- -H "Content-Type: application/json" -d '{{"ring":true}}' {url}/v1/tags/{TAG}/messages

and reads the trace:

  sed 's/^/Authorization: Bearer /' {sender} | curl -sw '\n' -H @- {url}/v1/$(grep -io 'messages/[0-9A-Z]*' {answer})
"#
    ))
}

fn token_file(state: &Path, device: &str) -> std::path::PathBuf {
    state.join(format!("{device}.token"))
}

/// The operator's side of the HTTP API.
struct Operator<'a> {
    agent: Agent,
    url: &'a str,
    authorization: String,
}

impl<'a> Operator<'a> {
    fn new(url: &'a str, secrets: &Secrets) -> Self {
        let agent = Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(10)))
            .http_status_as_error(false)
            .build()
            .into();
        Self {
            agent,
            url,
            authorization: format!("Bearer {}", secrets.admin_key),
        }
    }

    /// The answer's JSON; `None` if it has no body.
    fn put<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>> {
        let request = self.agent.put(format!("{}{path}", self.url));
        let request = request.header("Authorization", &self.authorization);
        let mut answer = request
            .send_empty()
            .with_context(|| format!("PUT {path}"))?;
        let status = answer.status();
        let body = answer
            .body_mut()
            .read_to_string()
            .with_context(|| format!("PUT {path}"))?;
        if !status.is_success() {
            bail!("PUT {path} answered {status}: {body}");
        }
        if body.is_empty() {
            return Ok(None);
        }
        serde_json::from_str(&body)
            .with_context(|| format!("PUT {path} answered no JSON it should"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_token_is_an_argument_of_a_program() {
        let commands = commands("http://127.0.0.1:8787", Path::new("state")).unwrap();
        for line in commands.lines().filter(|line| line.contains("curl")) {
            assert!(
                line.contains(".token | curl") && !line.contains("$(cat"),
                "{line}"
            );
        }
    }

    #[test]
    fn paths_in_the_commands_are_quoted_for_the_shell() {
        let commands = commands("http://127.0.0.1:8787", Path::new("my state")).unwrap();
        assert!(
            commands.contains("/' 'my state/doorbell.token' | curl"),
            "{commands}"
        );
        assert!(
            commands.contains("$(cat 'my state/kitchen-cam.token')"),
            "{commands}"
        );
    }
}

//! Completions: the shell asks this command what could stand at its cursor.
//!
//! A candidate never costs more than [`LIMIT`], and an error never disturbs the line that is being typed: then there
//! are no candidates. The options on that line are not known here, so the service is that of the environment and the
//! profile.

use std::io::{self, Write};
use std::time::Duration;

use clap::Parser;
use clap_complete::Shell;
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use clap_complete::env::Shells;
use tagpost_client::{Client, State};
use tokio::runtime::Builder;
use tokio::time::timeout;

use crate::advice::Failure;
use crate::arguments::Global;
use crate::output::Outcome;
use crate::session::Session;

/// The variable with which a shell asks. It is not one of the connection.
pub(crate) const VARIABLE: &str = "TAGPOST_COMPLETE";

/// How long the service may take. Somebody is waiting with a finger on a key.
const LIMIT: Duration = Duration::from_secs(1);
/// How many messages are offered.
const MESSAGES: u32 = 20;

/// Prints what makes a shell ask.
pub(crate) fn register(shell: Shell) -> Result<Outcome, Failure> {
    let shells = Shells::builtins();
    let name = shell.to_string();
    let completer = shells
        .completer(&name)
        .ok_or_else(|| Failure::new(format!("there are no completions for {name}")))?;
    let mut script = Vec::new();
    completer.write_registration(VARIABLE, "tagpost", "tagpost", "tagpost", &mut script)?;
    io::stdout().lock().write_all(&script)?;
    Ok(Outcome::Done)
}

/// What is asked of the service.
#[derive(Debug, Clone, Copy)]
enum Wanted {
    Devices,
    Tags,
    Targets,
    Messages,
}

/// The devices, for the operator.
pub(crate) fn devices() -> ArgValueCandidates {
    ArgValueCandidates::new(|| ask(Wanted::Devices))
}

/// The tags, for the operator.
pub(crate) fn tags() -> ArgValueCandidates {
    ArgValueCandidates::new(|| ask(Wanted::Tags))
}

/// What can be published to: tags, and devices with their @.
pub(crate) fn targets() -> ArgValueCandidates {
    ArgValueCandidates::new(|| ask(Wanted::Targets))
}

/// The last messages of the device whose token there is.
pub(crate) fn messages() -> ArgValueCandidates {
    ArgValueCandidates::new(|| ask(Wanted::Messages))
}

/// The states of a delivery.
pub(crate) fn states() -> ArgValueCandidates {
    ArgValueCandidates::new(|| State::ALL.into_iter().map(named).collect())
}

/// The states of a delivery that has failed.
pub(crate) fn failed_states() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let failed = State::ALL.into_iter().filter(|state| state.is_failure());
        failed.map(named).collect()
    })
}

fn named(state: State) -> CompletionCandidate {
    CompletionCandidate::new(state.as_str())
}

/// What the service has to offer, within the time; else nothing.
fn ask(wanted: Wanted) -> Vec<CompletionCandidate> {
    let names = within_limit(wanted).unwrap_or_default();
    names.into_iter().map(CompletionCandidate::new).collect()
}

fn within_limit(wanted: Wanted) -> Option<Vec<String>> {
    let session = Session::open(&connection()?).ok()?;
    let runtime = Builder::new_current_thread().enable_all().build().ok()?;
    let names = runtime.block_on(async { timeout(LIMIT, names(&session, wanted)).await });
    // The system may still be resolving a name; nobody is waiting for that.
    runtime.shutdown_background();
    names.ok()?.ok()
}

/// The first page of each list: more than a person would look through.
async fn names(session: &Session, wanted: Wanted) -> Result<Vec<String>, Failure> {
    let hurried = |client: Client| client.retry_for(Duration::ZERO);
    let mut names = Vec::new();
    if let Wanted::Messages = wanted {
        let client = hurried(session.device()?);
        let page = client.messages(None, MESSAGES, None).await?;
        names.extend(page.messages.iter().map(|message| message.id.to_string()));
        return Ok(names);
    }
    let client = hurried(session.operator()?);
    if let Wanted::Tags | Wanted::Targets = wanted {
        let page = client.tags(None).await?;
        names.extend(page.entries.iter().map(|entry| entry.tag.to_string()));
    }
    if let Wanted::Devices | Wanted::Targets = wanted {
        let sign = match wanted {
            Wanted::Targets => "@",
            _ => "",
        };
        let page = client.devices(None).await?;
        let devices = page.entries.iter();
        names.extend(devices.map(|entry| format!("{sign}{}", entry.device)));
    }
    Ok(names)
}

/// The global options as they are without a command line.
fn connection() -> Option<Global> {
    #[derive(Parser)]
    struct Nothing {
        #[command(flatten)]
        global: Global,
    }
    let nothing = Nothing::try_parse_from(["tagpost"]).ok()?;
    Some(nothing.global)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(candidates: &ArgValueCandidates) -> Vec<String> {
        let candidates = candidates.candidates();
        let value =
            |candidate: &CompletionCandidate| candidate.get_value().to_string_lossy().into_owned();
        candidates.iter().map(value).collect()
    }

    #[test]
    fn the_states_are_those_of_the_interface() {
        let all = values(&states());
        assert_eq!(all.len(), State::ALL.len());
        assert!(all.contains(&"in_progress".to_owned()), "{all:?}");
        let mut failed = values(&failed_states());
        failed.sort();
        assert_eq!(failed, ["expired", "refused", "rejected", "undeliverable"]);
    }

    #[test]
    fn every_shell_has_a_completer_by_its_name() {
        for shell in [
            Shell::Bash,
            Shell::Elvish,
            Shell::Fish,
            Shell::PowerShell,
            Shell::Zsh,
        ] {
            assert!(
                Shells::builtins().completer(&shell.to_string()).is_some(),
                "{shell}"
            );
        }
    }
}

//! The command `tagpost`, run by someone at a shell.

use std::collections::HashMap;
use std::process::{Output, Stdio};

use rexpect::session::{PtySession, spawn_command};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

use super::relay::{ADMIN_KEY, Device, Relay};
use super::{WAIT_TIMEOUT, within};

/// The command itself.
pub(crate) const TAGPOST: &str = env!("CARGO_BIN_EXE_tagpost");

/// Someone at a shell: a home directory of their own, and environment variables.
pub(crate) struct Shell {
    pub(crate) home: TempDir,
    variables: HashMap<&'static str, String>,
}

impl Shell {
    pub(crate) fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        Self {
            home,
            variables: HashMap::new(),
        }
    }

    /// A shell that speaks to this relay as a device.
    pub(crate) fn of(relay: &Relay, device: &Device) -> Self {
        Self::new()
            .with("TAGPOST_URL", relay.url())
            .with("TAGPOST_TOKEN", &device.token)
    }

    /// A shell that speaks to this relay as its operator.
    pub(crate) fn operator(relay: &Relay) -> Self {
        Self::new()
            .with("TAGPOST_URL", relay.url())
            .with("TAGPOST_ADMIN_KEY", ADMIN_KEY)
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.variables.insert(name, value.into());
        self
    }

    /// The command's environment: nothing but what it is given.
    fn prepare(&self, mut command: std::process::Command) -> std::process::Command {
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.home.path())
            .envs(&self.variables);
        command
    }

    /// Starts the command on a terminal. Its waits block the thread.
    pub(crate) fn on_a_terminal(&self, arguments: &[&str]) -> PtySession {
        let mut shell = std::process::Command::new("sh");
        // The terminal has its echo turned off, and so would not show whether the command does.
        shell.args(["-c", r#"stty echo && exec "$0" "$@""#, TAGPOST]);
        shell.args(arguments);
        let mut shell = self.prepare(shell);
        shell.env("TERM", "xterm");
        let timeout = WAIT_TIMEOUT.as_millis().try_into().unwrap();
        spawn_command(shell, Some(timeout)).unwrap()
    }

    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        let mut command = std::process::Command::new(TAGPOST);
        command.args(arguments);
        self.spawn(command)
    }

    /// Starts the command as `nohup` does.
    pub(crate) fn start_deaf_to_hangups(&self, arguments: &[&str]) -> Child {
        let mut command = std::process::Command::new("sh");
        command.args(["-c", r#"trap '' HUP && exec "$0" "$@""#, TAGPOST]);
        command.args(arguments);
        self.spawn(command)
    }

    fn spawn(&self, command: std::process::Command) -> Child {
        let mut command = Command::from(self.prepare(command));
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command.spawn().unwrap()
    }

    /// A script that runs for as long as this home is there and the test's process: a test that fails or
    /// is killed leaves nothing running.
    pub(crate) fn while_here(&self) -> String {
        let (home, test) = (self.home.path().display(), std::process::id());
        format!("while test -d {home} && kill -0 {test}; do sleep 0.1; done")
    }

    pub(crate) async fn run(&self, arguments: &[&str]) -> Ended {
        self.run_with(arguments, "").await
    }

    /// Runs the command with this on its standard input.
    pub(crate) async fn run_with(&self, arguments: &[&str], input: &str) -> Ended {
        let mut child = self.start(arguments);
        let mut stdin = child.stdin.take().unwrap();
        // The command may end without having read it.
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        let output = within(format!("{arguments:?} to end"), child.wait_with_output()).await;
        Ended::new(output.unwrap())
    }
}

/// What a command left.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    fn new(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The output of a command that must have ended with this code.
    pub(crate) fn code(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{self:?}");
        self.out
    }

    /// The objects of an output that must be JSON, one a line.
    pub(crate) fn json(self, code: i32) -> Vec<Value> {
        let out = self.code(code);
        let parse =
            |line: &str| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
        out.lines().map(parse).collect()
    }
}

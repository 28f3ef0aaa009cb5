//! The process of a relay: `xtask/relay.ts`, the head of a process group to which workerd belongs.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// How many of the lines that it printed last are kept.
const LAST_LINES: usize = 40;

/// A process that was started, and what it printed last.
pub(crate) struct Process {
    child: Child,
    lines: Arc<Mutex<VecDeque<String>>>,
    readers: Vec<JoinHandle<()>>,
}

impl Process {
    /// Starts it, and waits until it is ready.
    pub(crate) fn start(settings: &serde_json::Value, limit: Duration) -> Self {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
        assert!(
            root.join("build/entry.js").exists(),
            "there is no built Worker; run cargo xtask build"
        );
        let node = root.join("node_modules/.bin/node");
        let mut command = Command::new(if node.exists() { node } else { "node".into() });
        command
            .arg("xtask/relay.ts")
            .current_dir(&root)
            .env("WRANGLER_LOG", "error")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        let mut child = command.spawn().expect("cannot run node");
        // It ends by itself when this pipe is closed, so it is left open.
        let stdin = child.stdin.as_mut().expect("no stdin");
        writeln!(stdin, "{settings}").expect("the relay does not listen");
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let (ready, is_ready) = mpsc::channel();
        let lines = Arc::default();
        let readers = vec![
            read(stdout.expect("no stdout"), &lines, Some(ready)),
            read(stderr.expect("no stderr"), &lines, None),
        ];
        let mut process = Self {
            child,
            lines,
            readers,
        };
        process.await_ready(&is_ready, limit);
        process
    }

    /// How it ended, with what it printed last; `None` while it runs.
    pub(crate) fn ended(&mut self) -> Option<String> {
        let status = self.child.try_wait().ok()??;
        let last = self.last();
        Some(format!("the relay ended by itself with {status}:\n{last}"))
    }

    /// Ends it with all that belongs to it, unless it has ended.
    pub(crate) fn kill(&mut self) {
        if let Ok(None) = self.child.try_wait()
            && let Ok(id) = i32::try_from(self.child.id())
        {
            let _ = killpg(Pid::from_raw(id), Signal::SIGKILL);
            let _ = self.child.wait();
        }
    }

    fn await_ready(&mut self, is_ready: &Receiver<()>, limit: Duration) {
        match is_ready.recv_timeout(limit) {
            Ok(()) => {}
            Err(RecvTimeoutError::Disconnected) => {
                let status = self.child.wait();
                panic!("the relay ended with {status:?}:\n{}", self.last());
            }
            Err(RecvTimeoutError::Timeout) => {
                self.kill();
                panic!("the relay is not ready after {limit:?}:\n{}", self.last());
            }
        }
    }

    /// What it printed last, now that it has ended.
    fn last(&mut self) -> String {
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().map(|line| format!("  {line}\n")).collect()
    }
}

/// Keeps the last lines of what is printed, and says when one of them is that it is ready. It reads to the
/// end, since a full pipe would stop the relay.
fn read(
    output: impl Read + Send + 'static,
    lines: &Arc<Mutex<VecDeque<String>>>,
    mut ready: Option<Sender<()>>,
) -> JoinHandle<()> {
    let lines = lines.clone();
    thread::spawn(move || {
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).into_owned();
            if line == "ready"
                && let Some(ready) = ready.take()
            {
                let _ = ready.send(());
            }
            let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
            if lines.len() == LAST_LINES {
                lines.pop_front();
            }
            lines.push_back(line);
        }
    })
}

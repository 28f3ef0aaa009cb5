//! The relay as a process of its own: what `cargo xtask dev` runs, on a free port and temporary state.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, LazyLock, Mutex, Weak};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tagpost_client::{Client, DeviceId, Grant, Tag};
use tempfile::TempDir;

use super::fresh;

/// How long a relay may take to start on a busy machine.
const START: Duration = Duration::from_secs(90);

/// Short, so that a silent connection is found soon.
const KEEPALIVE: u32 = 2;

pub(crate) const ADMIN_KEY: &str = "an-admin-key-for-tests";
pub(crate) const TOKEN_KEY: &str = "a-token-key-for-tests-0123456789";

/// A running relay. Dropping it stops it, and removes its state.
pub(crate) struct Relay {
    port: u16,
    vars: BTreeMap<&'static str, String>,
    state: TempDir,
    process: Mutex<Child>,
}

/// A device of the relay.
pub(crate) struct Device {
    pub(crate) id: DeviceId,
    pub(crate) token: String,
}

impl Relay {
    /// The relay that tests share as long as one of them uses it.
    pub(crate) fn shared() -> Arc<Self> {
        static SHARED: LazyLock<Mutex<Weak<Relay>>> = LazyLock::new(Mutex::default);
        // A test that failed to start it poisons nothing.
        let mut shared = SHARED
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(relay) = shared.upgrade() {
            return relay;
        }
        let relay = Arc::new(Self::start(&[]));
        *shared = Arc::downgrade(&relay);
        relay
    }

    /// A relay of the test's own, with these limits.
    pub(crate) fn start(vars: &[(&'static str, u32)]) -> Self {
        let mut all = BTreeMap::from([("KEEPALIVE", KEEPALIVE.to_string())]);
        all.extend(vars.iter().map(|(name, value)| (*name, value.to_string())));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("no free port");
        let port = listener.local_addr().expect("no address").port();
        drop(listener);
        let state = tempfile::tempdir().expect("no directory for the state");
        let process = Mutex::new(spawn(port, state.path(), &all));
        Self {
            port,
            vars: all,
            state,
            process,
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Kills it, and everything that belongs to it, in one moment.
    pub(crate) fn kill(&self) {
        let mut process = self.process.lock().unwrap();
        kill(&mut process);
        let end = Instant::now() + START;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok() {
            assert!(
                Instant::now() < end,
                "something still listens on port {}",
                self.port
            );
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Starts it again on the same storage.
    pub(crate) fn restart(&self) {
        *self.process.lock().unwrap() = spawn(self.port, self.state.path(), &self.vars);
    }

    pub(crate) fn operator(&self) -> Client {
        Client::new(&self.url(), ADMIN_KEY).expect("no client")
    }

    /// A new device.
    pub(crate) async fn device(&self) -> Device {
        let id: DeviceId = fresh("device").parse().expect("no name");
        let created = self.operator().put_device(&id, &Grant::default()).await;
        let token = created.expect("no device").token;
        Device { id, token }
    }

    /// A new tag that leads to these devices.
    pub(crate) async fn tag(&self, devices: &[&Device]) -> Tag {
        let tag = fresh("tag").parse().expect("no name");
        for device in devices {
            self.operator()
                .bind(&tag, &device.id)
                .await
                .expect("not bound");
        }
        tag
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        if let Ok(process) = self.process.get_mut() {
            kill(process);
        }
    }
}

impl Device {
    /// A client of this device, at this URL.
    pub(crate) fn at(&self, url: &str) -> Client {
        Client::new(url, &self.token).expect("no client")
    }
}

fn kill(process: &mut Child) {
    if let Ok(None) = process.try_wait()
        && let Ok(id) = i32::try_from(process.id())
    {
        // It leads a process group of its own, to which workerd belongs.
        let _ = killpg(Pid::from_raw(id), Signal::SIGKILL);
        let _ = process.wait();
    }
}

fn spawn(port: u16, state: &Path, vars: &BTreeMap<&'static str, String>) -> Child {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    assert!(
        root.join("build/index.js").exists(),
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
        .process_group(0);
    let mut process = command.spawn().expect("cannot run node");
    let mut bindings = BTreeMap::from([("ADMIN_KEY", ADMIN_KEY), ("TOKEN_KEY", TOKEN_KEY)]);
    bindings.extend(vars.iter().map(|(name, value)| (*name, value.as_str())));
    let settings = serde_json::json!({ "port": port, "state": state, "bindings": bindings });
    // It ends by itself when this pipe is closed, so it is left open.
    let stdin = process.stdin.as_mut().expect("no stdin");
    writeln!(stdin, "{settings}").expect("the relay does not listen");
    await_ready(&mut process);
    process
}

fn await_ready(process: &mut Child) {
    let stdout = process.stdout.take().expect("no stdout");
    let (lines, received) = mpsc::channel();
    // It goes on reading after that, for a full pipe would stop the relay.
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            let _ = lines.send(line);
        }
    });
    let (end, mut output) = (Instant::now() + START, String::new());
    loop {
        match received.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(line) if line == "ready" => return,
            Ok(line) => _ = writeln!(output, "{line}"),
            Err(RecvTimeoutError::Disconnected) => panic!("the relay ended: {output}"),
            Err(RecvTimeoutError::Timeout) => {
                kill(process);
                panic!("the relay is not ready after {START:?}: {output}");
            }
        }
    }
}

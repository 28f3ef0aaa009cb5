//! The relay as a process of its own: what `cargo xtask dev` runs, on a free port and temporary state.

use std::collections::BTreeMap;
use std::iter;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use tagpost_client::{Client, DeviceId, Grant, Tag};
use tempfile::TempDir;

use super::fresh;
use super::process::Process;

/// How long a relay may take to start on a busy machine.
const START: Duration = Duration::from_secs(90);

/// Short, so that a silent connection is found soon.
const KEEPALIVE: u32 = 2;

pub(crate) const ADMIN_KEY: &str = "an-admin-key-for-tests";
pub(crate) const TOKEN_KEY: &str = "a-token-key-for-tests-0123456789";
pub(crate) const VIEWER_KEY: &str = "a-viewer-key-for-tests";
const PUSH_KEY: &str = "a-push-key-for-tests-0123456789abcdef";

/// A running relay. Dropping it stops it, and removes its state.
///
/// One that ended by itself fails the tests that use it, with what it printed last.
pub(crate) struct Relay {
    port: u16,
    vars: BTreeMap<&'static str, String>,
    state: TempDir,
    /// None once it was killed.
    process: Mutex<Option<Process>>,
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
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(relay) = shared.upgrade() {
            relay.assert_running();
            return relay;
        }
        let relay = Arc::new(Self::start(&[]));
        *shared = Arc::downgrade(&relay);
        relay
    }

    /// A relay of the test's own, with these limits. Webhooks may be on this machine.
    pub(crate) fn start(vars: &[(&'static str, u32)]) -> Self {
        let mut all = BTreeMap::from([
            ("KEEPALIVE", KEEPALIVE.to_string()),
            ("PUSH_KEY", PUSH_KEY.to_owned()),
            ("VIEWER_KEY", VIEWER_KEY.to_owned()),
            ("WEBHOOK_ALLOW_HTTP", "true".to_owned()),
        ]);
        all.extend(vars.iter().map(|(name, value)| (*name, value.to_string())));
        Self::with(all)
    }

    /// A relay of the test's own that has no Web Push.
    pub(crate) fn without_push_key() -> Self {
        Self::with(BTreeMap::from([("KEEPALIVE", KEEPALIVE.to_string())]))
    }

    fn with(vars: BTreeMap<&'static str, String>) -> Self {
        let port = free_port();
        let state = tempfile::tempdir().expect("no directory for the state");
        let process = Mutex::new(Some(start(port, state.path(), &vars)));
        Self {
            port,
            vars,
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
        self.assert_running();
        self.end();
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
        let process = start(self.port, self.state.path(), &self.vars);
        *self.process() = Some(process);
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        // A test that panicked left nothing half done in it.
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How it ended by itself, with what it printed last; `None` if it runs, or was killed.
    fn ended(&self) -> Option<String> {
        self.process().as_mut()?.ended()
    }

    fn assert_running(&self) {
        if let Some(ended) = self.ended() {
            panic!("{ended}");
        }
    }

    fn end(&self) {
        if let Some(mut process) = self.process().take() {
            process.kill();
        }
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

    /// A new tag, bound to these devices.
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
        match self.ended() {
            // The test may have failed because of that. A second panic would end all tests.
            Some(ended) if thread::panicking() => eprintln!("{ended}"),
            Some(ended) => panic!("{ended}"),
            None => self.end(),
        }
    }
}

impl Device {
    /// A client of this device, at this URL.
    pub(crate) fn at(&self, url: &str) -> Client {
        Client::new(url, &self.token).expect("no client")
    }
}

fn start(port: u16, state: &Path, vars: &BTreeMap<&'static str, String>) -> Process {
    let mut bindings = BTreeMap::from([("ADMIN_KEY", ADMIN_KEY), ("TOKEN_KEY", TOKEN_KEY)]);
    bindings.extend(vars.iter().map(|(name, value)| (*name, value.as_str())));
    let settings = serde_json::json!({ "port": port, "state": state, "bindings": bindings });
    Process::start(&settings, START)
}

/// A port that nothing listens on.
///
/// The system does not give it to anyone who takes any port (`net.ipv4.ip_local_port_range`), neither a
/// listener nor a connection. So nobody else has it before the relay does, or while the relay is down.
fn free_port() -> u16 {
    const FIRST: u16 = 20_000;
    const COUNT: u32 = 12_000;
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    iter::repeat_with(|| {
        // Other tests that run on this machine begin elsewhere.
        let number = std::process::id().wrapping_add(TAKEN.fetch_add(1, Ordering::Relaxed));
        FIRST + u16::try_from(number % COUNT).expect("a port")
    })
    .take(COUNT as usize)
    .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
    .expect("no free port")
}

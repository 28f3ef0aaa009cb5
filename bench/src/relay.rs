//! A Worker on workerd as `xtask/relay.ts` runs it: tagpost, or a yardstick with the same configuration.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use std::{fs, thread};

use anyhow::{Context, Result, anyhow, bail};
use hyper::Method;
use hyper::body::Bytes;
use tagpost_core::token::{self, Claims};

use crate::figure::System;
use crate::http::Connection;
use crate::port;

/// How long a relay may take to end by itself.
const GRACE: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(20);

/// The operator's.
pub(crate) const ADMIN_KEY: &str = "the operator of the measurements";
const TOKEN_KEY: &str = "known to nobody but the measurements";
/// What seals the URLs of Web Push.
pub(crate) const PUSH_KEY: &str = "known to nobody but the measurements, too";

/// Limits that would be measured in place of the service, and that an address may be on this machine.
const SETTINGS: [(&str, &str); 5] = [
    // Devices show no life here while they wait for the others.
    ("KEEPALIVE", "3600"),
    ("PUBLISH_RATE", "10000"),
    ("PUBLISH_BURST", "100000"),
    ("MAX_HELD_MESSAGES", "1000000"),
    ("WEBHOOK_ALLOW_HTTP", "true"),
];

/// What runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Worker {
    /// The build that is deployed.
    Tagpost,
    /// That of another checkout; see [`Workers::before`].
    Before,
    /// The same, counted by `bench/meter.js`.
    MeteredTagpost,
    /// `bench/floor.js`.
    Floor,
    /// `bench/push-floor.js`.
    PushFloor,
    /// `bench/empty.js`.
    Empty,
}

impl Worker {
    fn entry(self) -> Option<&'static str> {
        match self {
            Self::Tagpost | Self::Before => None,
            Self::MeteredTagpost => Some("bench/meter.js"),
            Self::Floor => Some("bench/floor.js"),
            Self::PushFloor => Some("bench/push-floor.js"),
            Self::Empty => Some("bench/empty.js"),
        }
    }
}

/// What it takes to run Workers.
pub(crate) struct Workers {
    /// The Node.js that runs them.
    pub(crate) node: PathBuf,
    /// A checkout of an earlier version, built, to be measured, too.
    pub(crate) before: Option<PathBuf>,
}

/// A running Worker. Dropping it stops it.
pub(crate) struct Relay {
    worker: Worker,
    address: SocketAddr,
    process: Child,
    /// Closing it asks the process to end.
    stdin: Option<ChildStdin>,
}

impl Workers {
    /// What is compared, in the order of the turns.
    pub(crate) fn compared(&self) -> impl Iterator<Item = (System, Worker)> {
        let before = self.before.is_some();
        [
            Some((System::Tagpost, Worker::Tagpost)),
            before.then_some((System::Before, Worker::Before)),
            Some((System::Floor, Worker::Floor)),
        ]
        .into_iter()
        .flatten()
    }

    /// Starts one over the state in a directory, and waits until it listens.
    pub(crate) fn start(&self, worker: Worker, state: &Path) -> Result<Relay> {
        let port = port::free()?;
        let mut command = Command::new(&self.node);
        if worker == Worker::Before {
            command.current_dir(self.before.as_ref().context("no earlier version")?);
        }
        let mut process = command
            .arg("xtask/relay.ts")
            .env("WRANGLER_LOG", "error")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {}", self.node.display()))?;
        let mut bindings = serde_json::Map::new();
        let keys = [
            ("ADMIN_KEY", ADMIN_KEY),
            ("TOKEN_KEY", TOKEN_KEY),
            ("PUSH_KEY", PUSH_KEY),
        ];
        for (name, value) in SETTINGS.iter().chain(&keys) {
            bindings.insert((*name).to_owned(), (*value).into());
        }
        let settings = serde_json::json!({
            "port": port,
            "state": state,
            "bindings": bindings,
            "bench": { "entry": worker.entry() },
        });
        let mut stdin = process.stdin.take().ok_or_else(|| anyhow!("no stdin"))?;
        writeln!(stdin, "{settings}")?;
        let stdout = process.stdout.take().ok_or_else(|| anyhow!("no stdout"))?;
        let relay = Relay {
            worker,
            address: (Ipv4Addr::LOCALHOST, port).into(),
            process,
            stdin: Some(stdin),
        };
        let mut lines = BufReader::new(stdout).lines();
        while let Some(line) = lines.next().transpose()? {
            if line == "ready" {
                // What it logs later must be read, or it would block.
                thread::spawn(move || lines.map_while(Result::ok).for_each(report));
                return Ok(relay);
            }
        }
        bail!("the relay ended before it was ready");
    }
}

impl Relay {
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// A credential of this device.
    pub(crate) fn bearer(&self, device: &str) -> Result<String> {
        if matches!(self.worker, Worker::Floor | Worker::Empty) {
            return Ok(device.to_owned());
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let claims = Claims {
            device: device.parse().map_err(|_| anyhow!("no name: {device}"))?,
            issued_at: i64::try_from(now)?,
            expires_at: None,
            publish: None,
            tags: vec![],
            revocations: None,
            webhook: false,
            id: None,
        };
        Ok(token::mint(&claims, TOKEN_KEY.as_bytes())?)
    }

    /// Makes a device known that never connects.
    pub(crate) async fn register(&self, http: &mut Connection, device: &str) -> Result<()> {
        if self.worker != Worker::Floor {
            let path = format!("/v1/devices/{device}");
            http.send(Method::PUT, &path, ADMIN_KEY, Bytes::new())
                .await?
                .is(201)?;
        }
        Ok(())
    }

    /// What the meter of a [`Worker::MeteredTagpost`] has counted so far, by name.
    pub(crate) async fn counts(&self) -> Result<BTreeMap<String, u64>> {
        let mut http = Connection::open(self.address).await?;
        let answer = http
            .send(Method::GET, "/v1/meter", ADMIN_KEY, Bytes::new())
            .await?
            .is(200)?;
        Ok(serde_json::from_slice(&answer.body)?)
    }

    /// Binds a tag to a device.
    pub(crate) async fn bind(&self, http: &mut Connection, tag: &str, device: &str) -> Result<()> {
        let path = format!("/v1/tags/{tag}/devices/{device}");
        http.send(Method::PUT, &path, ADMIN_KEY, Bytes::new())
            .await?
            .is(204)?;
        Ok(())
    }

    /// Bytes of memory that the runtime holds, where the system says so.
    pub(crate) fn memory(&self) -> Option<u64> {
        let runtime = runtime_of(self.process.id())?;
        let status = fs::read_to_string(runtime.join("status")).ok()?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
        Some(kilobytes * 1024)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stdin.take();
        let deadline = Instant::now() + GRACE;
        while matches!(self.process.try_wait(), Ok(None)) && Instant::now() < deadline {
            thread::sleep(POLL);
        }
        // It may have ended by itself meanwhile.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Errors are of interest whatever is measured; a device that is new is not.
fn report(line: String) {
    if !line.contains(r#""level":"info""#) {
        eprintln!("{line}");
    }
}

/// The directory in `/proc` of the workerd that this process started.
fn runtime_of(parent: u32) -> Option<PathBuf> {
    let parent = format!("PPid:\t{parent}");
    fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
        let status = fs::read_to_string(entry.path().join("status")).ok()?;
        let is_runtime =
            status.starts_with("Name:\tworkerd\n") && status.lines().any(|line| line == parent);
        is_runtime.then(|| entry.path())
    })
}

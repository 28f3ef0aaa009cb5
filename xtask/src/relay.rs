//! The relay as a process: `xtask/relay.ts`, which runs the built Worker on workerd.
//!
//! Its state survives any way of ending; nothing cleans up after it.

use std::fs::{self, File, TryLockError};
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use crate::interrupt::Group;
use crate::repository::Repository;
use crate::secrets::Secrets;
use crate::vars::Vars;

/// How long a relay that was killed may keep its port.
const PORT_PATIENCE: Duration = Duration::from_secs(3);
/// How long a relay may take until it is ready.
const START_TIMEOUT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);

/// The line that says so.
const READY: &str = "ready";

/// Where a relay listens and keeps its state, for it alone.
pub(crate) struct Place {
    address: SocketAddr,
    /// An absolute path.
    state: PathBuf,
    /// Keeps a second relay off the same state.
    _lock: File,
}

impl Place {
    /// Takes the directory `state`, an absolute path, and sees that the address is free.
    ///
    /// # Errors
    /// A port or state directory that is in use; an address that this machine has not.
    pub(crate) fn take(address: SocketAddr, state: PathBuf) -> Result<Self> {
        let lock = lock(&state)?;
        await_port(address)?;
        Ok(Self {
            address,
            state,
            _lock: lock,
        })
    }

    /// The directory.
    pub(crate) fn state(&self) -> &Path {
        &self.state
    }
}

/// What a relay is started with.
pub(crate) struct Settings<'a> {
    pub(crate) place: &'a Place,
    /// Limits that differ from wrangler.toml.
    pub(crate) vars: Vars,
    pub(crate) secrets: &'a Secrets,
}

/// A running relay. Dropping it stops it.
pub(crate) struct Relay {
    group: Group,
    url: String,
}

impl Relay {
    /// Starts a relay and waits until it is ready.
    ///
    /// # Errors
    /// A relay that ends or is not ready in time.
    pub(crate) fn start(repository: &Repository, settings: &Settings) -> Result<Self> {
        let Place { address, state, .. } = settings.place;
        let mut command = repository.node("xtask/relay.ts")?;
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .env("WRANGLER_LOG", "warn");
        let mut group = Group::spawn(&mut command).context("cannot run node")?;
        // Secrets go through the pipe: arguments and the environment can be read by others.
        let mut bindings = settings.vars.clone();
        bindings.insert("ADMIN_KEY".to_owned(), settings.secrets.admin_key.clone());
        bindings.insert("TOKEN_KEY".to_owned(), settings.secrets.token_key.clone());
        bindings.insert("PUSH_KEY".to_owned(), settings.secrets.push_key.clone());
        bindings.insert("VAPID_KEY".to_owned(), settings.secrets.vapid_key.clone());
        let others = settings.secrets.others.iter();
        bindings.extend(others.map(|(name, value)| ((*name).to_owned(), value.clone())));
        bindings.insert("WEBHOOK_ALLOW_HTTP".to_owned(), "true".to_owned());
        let line = serde_json::json!({
            "host": address.ip(),
            "port": address.port(),
            "state": state,
            "bindings": bindings,
        });
        let stdin = group.leader().stdin.as_mut();
        writeln!(
            stdin.ok_or_else(|| anyhow!("the service has no stdin"))?,
            "{line}"
        )
        .context("the service does not listen")?;
        await_ready(&mut group)?;
        Ok(Self {
            group,
            url: url(*address),
        })
    }

    /// Where this machine reaches it.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Waits until it ends.
    pub(crate) fn wait(&mut self) -> Result<ExitStatus> {
        // Not `Child::wait`, which would close the pipe and so stop the relay.
        let stdin = self.group.leader().stdin.take();
        let status = self.group.wait();
        drop(stdin);
        Ok(status?)
    }
}

/// A URL under which this machine reaches what listens on `address`.
fn url(address: SocketAddr) -> String {
    let ip = match address.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    format!("http://{}", SocketAddr::new(ip, address.port()))
}

/// Passes on what the relay prints, and waits for the line that says it is ready.
fn await_ready(group: &mut Group) -> Result<()> {
    let stdout = group
        .leader()
        .stdout
        .take()
        .ok_or_else(|| anyhow!("the service has no stdout"))?;
    let (ready, is_ready) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if line == READY {
                // Nobody waits any more once the relay took too long.
                let _ = ready.send(());
            } else {
                println!("{line}");
            }
        }
    });
    match is_ready.recv_timeout(START_TIMEOUT) {
        Ok(()) => Ok(()),
        Err(RecvTimeoutError::Disconnected) => bail!("the service ended with {}", group.wait()?),
        Err(RecvTimeoutError::Timeout) => bail!("the service is not ready after {START_TIMEOUT:?}"),
    }
}

fn lock(state: &Path) -> Result<File> {
    fs::create_dir_all(state).with_context(|| format!("cannot create {}", state.display()))?;
    let path = state.join("lock");
    let lock = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => {
            bail!(
                "{} is in use by another service; stop it, or choose another with --state",
                state.display()
            )
        }
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", path.display()))
        }
    }
}

/// Waits until the port is free, in case a relay is just about to end.
fn await_port(address: SocketAddr) -> Result<()> {
    let port = address.port();
    let deadline = Instant::now() + PORT_PATIENCE;
    loop {
        match TcpListener::bind(address) {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::AddrInUse => {
                if Instant::now() > deadline {
                    bail!(
                        "port {port} is in use; stop what listens there, or choose another with --port"
                    );
                }
            }
            Err(error) => {
                return Err(error).with_context(|| format!("cannot listen on {address}"));
            }
        }
        thread::sleep(POLL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_is_named() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let port = address.port();
        let error = await_port(address).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("port {port} is in use")),
            "{error}"
        );
        drop(listener);
        await_port(address).unwrap();
    }

    #[test]
    fn an_address_that_the_machine_has_not_is_named() {
        // RFC 5737: an address for documentation.
        let error = await_port(SocketAddr::from(([192, 0, 2, 1], 8787))).unwrap_err();
        assert_eq!(error.to_string(), "cannot listen on 192.0.2.1:8787");
    }

    #[test]
    fn a_relay_on_every_address_is_reached_on_the_local_one() {
        for (address, expected) in [
            ("127.0.0.1:8787", "http://127.0.0.1:8787"),
            ("0.0.0.0:8787", "http://127.0.0.1:8787"),
            ("[::]:8787", "http://[::1]:8787"),
            ("192.0.2.1:80", "http://192.0.2.1:80"),
        ] {
            assert_eq!(url(address.parse().unwrap()), expected);
        }
    }

    #[test]
    fn a_state_directory_serves_one_relay_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        let first = lock(directory.path()).unwrap();
        let error = lock(directory.path()).unwrap_err().to_string();
        assert!(error.contains("is in use by another service"), "{error}");
        drop(first);
        lock(directory.path()).unwrap();
    }
}

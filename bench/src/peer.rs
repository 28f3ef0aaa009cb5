//! The alternatives, as processes on this machine: started if they are installed, skipped if not.

pub(crate) mod mosquitto;
pub(crate) mod nats;

use std::env;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How long a server may take until it listens.
const START_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a message or its receipt may take.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(30);
/// The digits of a message's number, with which its payload begins and which are its receipt.
const DIGITS: usize = 8;

/// A server's process. Dropping it ends it.
struct Server {
    process: Child,
    address: SocketAddr,
}

impl Server {
    /// Starts a program that listens on a port, and waits until it does.
    fn start(program: &Path, arguments: &[&str], port: u16) -> Result<Self> {
        let process = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot run {}", program.display()))?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let server = Self { process, address };
        let deadline = Instant::now() + START_TIMEOUT;
        while TcpStream::connect(address).is_err() {
            if Instant::now() > deadline {
                bail!("{} does not listen on {address}", program.display());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself meanwhile.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Where a program is installed. Servers are often where only root looks.
fn installed(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    folders
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
}

/// The first line of what a program says about its version.
fn version(program: &Path, argument: &str) -> Option<String> {
    let output = Command::new(program).arg(argument).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    Some(text.lines().next()?.trim().to_owned())
}

fn numbered(number: u64) -> String {
    format!("{number:0DIGITS$}{}", crate::publish::PAYLOAD)
}

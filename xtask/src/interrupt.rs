//! Ctrl-C and SIGTERM: all processes of a chore end with it.
//!
//! Every process that a chore starts leads its own group, and every group is on one list until it has ended. A leader
//! is asked to end and may clean up; then the rest of its group is killed. This works even if only the chore got the
//! signal.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// What a chore that was stopped answers, as a shell would: 128 + SIGINT.
pub(crate) const EXIT_CODE: u8 = 130;

/// How long a process may take to end by itself.
const GRACE: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(10);

static HAPPENED: AtomicBool = AtomicBool::new(false);
static GROUPS: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

/// Whether a signal has asked this chore to stop.
pub(crate) fn happened() -> bool {
    HAPPENED.load(Ordering::SeqCst)
}

/// From now on, a signal stops all groups, and then the chore.
pub(crate) fn listen() -> Result<()> {
    let mut signals =
        Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot listen for signals")?;
    thread::spawn(move || {
        if signals.forever().next().is_some() {
            HAPPENED.store(true, Ordering::SeqCst);
            for group in groups().iter() {
                let _ = kill(*group, Signal::SIGTERM);
            }
            let deadline = Instant::now() + GRACE;
            while !groups().is_empty() && Instant::now() < deadline {
                thread::sleep(POLL);
            }
            for group in groups().iter() {
                let _ = killpg(*group, Signal::SIGKILL);
            }
            // The main thread saw its process end, and exits. If it waits for something else, this does.
            thread::sleep(GRACE / 10);
            std::process::exit(EXIT_CODE.into());
        }
    });
    Ok(())
}

fn groups() -> MutexGuard<'static, Vec<Pid>> {
    GROUPS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A process with all that it started. Dropping it ends them.
pub(crate) struct Group {
    leader: Child,
    id: Pid,
}

impl Group {
    /// Starts `command` as the leader of a new group.
    ///
    /// # Errors
    /// As [`Command::spawn`]; also when a signal has asked the chore to stop.
    pub(crate) fn spawn(command: &mut Command) -> io::Result<Self> {
        // The list is held across the start, so that a signal finds either no process or a listed one.
        let mut groups = groups();
        if happened() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let leader = command.process_group(0).spawn()?;
        let id = Pid::from_raw(leader.id().cast_signed());
        groups.push(id);
        Ok(Self { leader, id })
    }

    /// The leader, for its pipes.
    pub(crate) fn leader(&mut self) -> &mut Child {
        &mut self.leader
    }

    /// Waits for the leader to end.
    pub(crate) fn wait(&mut self) -> io::Result<ExitStatus> {
        self.leader.wait()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let running = |leader: &mut Child| matches!(leader.try_wait(), Ok(None));
        if running(&mut self.leader) {
            let _ = kill(self.id, Signal::SIGTERM);
            let deadline = Instant::now() + GRACE;
            while running(&mut self.leader) && Instant::now() < deadline {
                thread::sleep(POLL);
            }
        }
        // The leader if it would not end, and whatever outlived it.
        let _ = killpg(self.id, Signal::SIGKILL);
        let _ = self.leader.wait();
        groups().retain(|group| *group != self.id);
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;

    use super::*;

    #[test]
    fn dropping_a_group_ends_what_its_leader_started() {
        let mut command = Command::new("sh");
        command
            .args(["-c", "sleep 600 & echo $!; wait"])
            .stdout(Stdio::piped());
        let mut group = Group::spawn(&mut command).unwrap();
        let mut line = String::new();
        let stdout = group.leader().stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let grandchild = Pid::from_raw(line.trim().parse().unwrap());
        assert!(
            kill(grandchild, None).is_ok(),
            "the grandchild {grandchild} never ran"
        );
        drop(group);
        // Its new parent may take a moment to reap it.
        let deadline = Instant::now() + GRACE;
        while is_running(grandchild) {
            assert!(
                Instant::now() < deadline,
                "the grandchild {grandchild} outlived its group"
            );
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Whether the process exists and is not a zombie.
    fn is_running(process: Pid) -> bool {
        let state = Command::new("ps")
            .args(["-o", "stat=", "-p", &process.to_string()])
            .output()
            .unwrap();
        let state = String::from_utf8(state.stdout).unwrap();
        !state.is_empty() && !state.starts_with('Z')
    }
}

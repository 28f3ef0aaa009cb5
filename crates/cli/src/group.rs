//! The processes that a command consists of, so that they can be ended together.
//!
//! On Unix they are a process group. Elsewhere only the shell itself can be ended.

use std::io;
use std::process::ExitStatus;
use std::time::Duration;

use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

/// The processes of a command. Dropping it kills them, unless the command has ended by itself.
#[derive(Debug)]
pub(crate) struct Group {
    child: Child,
    #[cfg(unix)]
    leader: Option<nix::unistd::Pid>,
}

impl Group {
    /// Starts a command as the leader of a group.
    pub(crate) fn start(command: &mut Command) -> io::Result<Self> {
        #[cfg(unix)]
        let command = command.process_group(0);
        #[cfg(not(unix))]
        let command = command.kill_on_drop(true);
        let child = command.spawn()?;
        #[cfg(unix)]
        let leader = child.id().and_then(|id| i32::try_from(id).ok());
        Ok(Self {
            child,
            #[cfg(unix)]
            leader: leader.map(nix::unistd::Pid::from_raw),
        })
    }

    /// The command's standard input and output, once.
    pub(crate) fn pipes(&mut self) -> (Option<ChildStdin>, Option<ChildStdout>) {
        (self.child.stdin.take(), self.child.stdout.take())
    }

    /// Waits until the command has ended. What it left running in the background is not ended.
    pub(crate) async fn wait(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait().await;
        self.leave();
        status
    }

    /// Tells the processes to end, and kills them after a grace.
    pub(crate) async fn end(&mut self, grace: Duration) {
        self.terminate();
        let _ = timeout(grace, self.child.wait()).await;
        self.kill();
        let _ = self.child.wait().await;
        self.leave();
    }
}

#[cfg(unix)]
impl Group {
    fn terminate(&self) {
        self.signal(nix::sys::signal::SIGTERM);
    }

    fn kill(&mut self) {
        self.signal(nix::sys::signal::SIGKILL);
    }

    fn leave(&mut self) {
        self.leader = None;
    }

    fn signal(&self, signal: nix::sys::signal::Signal) {
        if let Some(leader) = self.leader {
            // There is nobody to tell if all of them are gone.
            let _ = nix::sys::signal::killpg(leader, signal);
        }
    }
}

#[cfg(not(unix))]
impl Group {
    fn terminate(&self) {}

    fn kill(&mut self) {
        // It may have ended already.
        let _ = self.child.start_kill();
    }

    fn leave(&mut self) {}
}

#[cfg(unix)]
impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

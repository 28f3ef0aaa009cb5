//! The processes that a command consists of, so that they can be ended together.
//!
//! On Unix they are a process group. Elsewhere only the shell itself can be ended.

use tokio::process::{Child, Command};

/// The processes of a command that has not ended. Dropping it tells them to end.
pub(crate) struct Group {
    #[cfg(unix)]
    leader: Option<nix::unistd::Pid>,
}

#[cfg(unix)]
impl Group {
    /// Lets what is about to be started lead a group.
    pub(crate) fn lead(command: &mut Command) -> &mut Command {
        command.process_group(0)
    }

    /// The group of a child that leads one.
    pub(crate) fn of(child: &Child) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        Self {
            leader: id.map(nix::unistd::Pid::from_raw),
        }
    }

    /// Tells the processes to end.
    pub(crate) fn terminate(&self) {
        self.signal(nix::sys::signal::SIGTERM);
    }

    /// Ends those that have not ended.
    pub(crate) fn kill(&mut self) {
        self.signal(nix::sys::signal::SIGKILL);
        self.leave();
    }

    /// The command has ended; what it left running in the background is not ended.
    pub(crate) fn leave(&mut self) {
        self.leader = None;
    }

    fn signal(&self, signal: nix::sys::signal::Signal) {
        if let Some(leader) = self.leader {
            // There is nobody to tell if all of them are gone.
            let _ = nix::sys::signal::killpg(leader, signal);
        }
    }
}

#[cfg(unix)]
impl Drop for Group {
    fn drop(&mut self) {
        self.terminate();
    }
}

#[cfg(not(unix))]
impl Group {
    pub(crate) fn lead(command: &mut Command) -> &mut Command {
        command.kill_on_drop(true)
    }

    pub(crate) fn of(_: &Child) -> Self {
        Self {}
    }

    pub(crate) fn terminate(&self) {}

    pub(crate) fn kill(&mut self) {}

    pub(crate) fn leave(&mut self) {}
}

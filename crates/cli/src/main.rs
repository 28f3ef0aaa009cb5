//! The command `tagpost`: send, listen, and look after devices and tags, from a shell.
//!
//! Results go to standard output, all else to standard error, so that it can be used in pipes. What it
//! does is done by the library; this reads arguments, prints, and ends with a code that scripts rely on.

mod advice;
mod arguments;
mod cancel;
mod clock;
mod complete;
mod device;
mod exec;
mod failures;
mod follow;
mod group;
mod hook;
mod listen;
mod login;
mod look;
mod output;
mod pair;
mod profile;
mod push;
mod qr;
mod recognise;
mod send;
mod session;
mod signals;
mod status;
mod tag;
mod token;
mod trace;
mod usage;
mod webhook;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use clap_complete::CompleteEnv;
use tokio::runtime::Builder;

use crate::advice::Failure;
use crate::arguments::{Arguments, Command, Global};
use crate::output::Outcome;

fn main() -> ExitCode {
    // Ends here if a shell asks for candidates.
    CompleteEnv::with_factory(Arguments::command)
        .var(complete::VARIABLE)
        .complete();
    let arguments = Arguments::try_parse().unwrap_or_else(|error| usage::end(&error));
    let json = arguments.global.json;
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Failure::new(format!("cannot start: {error}")).report(json),
    };
    let ended = runtime.block_on(explained(arguments));
    // The system may still be resolving a name; nobody is waiting for that.
    runtime.shutdown_background();
    match ended {
        Ok(outcome) => outcome.into(),
        Err(failure) => failure.report(json),
    }
}

/// Runs the command. A failure that something else at the URL would explain is told with that.
async fn explained(Arguments { global, command }: Arguments) -> Result<Outcome, Failure> {
    // Logging in has a URL of its own.
    let url = match &command {
        Command::Login(options) => Some(options.service.clone()),
        _ => None,
    };
    let failure = match run(&global, command).await {
        Err(failure) if failure.is_suspect() => failure,
        ended => return ended,
    };
    Err(match url.or_else(|| session::url(&global)) {
        Some(url) => recognise::explain(url.trim_end_matches('/'), failure).await,
        None => failure,
    })
}

async fn run(global: &Global, command: Command) -> Result<Outcome, Failure> {
    match command {
        Command::Send(options) => send::run(global, options).await,
        Command::Listen(options) => listen::run(global, options).await,
        Command::Peek(options) => look::run(global, options.device.as_ref(), options.limit).await,
        Command::Cancel(options) => cancel::run(global, &options).await,
        Command::Trace(options) => trace::run(global, &options).await,
        Command::Ls(options) => trace::list(global, options).await,
        Command::Failures(options) => failures::list(global, options).await,
        Command::Resend(options) => failures::resend(global, &options).await,
        Command::Device { command } => device::run(global, command).await,
        Command::Tag { command } => tag::run(global, command).await,
        Command::Hook { command } => hook::run(global, command).await,
        Command::Push { command } => push::run(global, command).await,
        Command::Webhook { command } => webhook::run(global, command).await,
        Command::Token(options) => token::run(global, options),
        Command::Login(options) => login::run(global, &options).await,
        Command::Logout => login::forget(global),
        Command::Status => status::run(global).await,
        Command::Completions { shell } => complete::register(shell),
    }
}

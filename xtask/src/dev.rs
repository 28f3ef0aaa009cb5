//! `cargo xtask dev`: from a fresh clone to a running service.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{self, PathBuf};

use anyhow::{Context, Result, bail};

use crate::relay::{Place, Relay, Settings};
use crate::repository::Repository;
use crate::secrets::Secrets;
use crate::{demo, interrupt, setup, vars, worker};

/// How to run the service.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The address to listen on; 0.0.0.0 is every one of this machine's
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    host: IpAddr,
    /// The port
    #[arg(long, default_value_t = 8787, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// The directory that keeps the service's state [default: .tagpost in the repository]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Set a limit, such as KEEPALIVE=10, or EVENTS_TAG, AWAY_AFTER or PUBLIC_URL; repeatable
    #[arg(long = "var", value_name = "NAME=VALUE")]
    vars: Vec<String>,
}

/// Runs the relay until it is told to stop.
pub(crate) fn run(repository: &Repository, options: &Options) -> Result<()> {
    // What can be wrong already is said before minutes of building.
    let vars = vars::parse(&options.vars)?;
    let secrets = Secrets::load()?;
    let state = match &options.state {
        Some(state) => repository.caller.join(state),
        None => PathBuf::from(".tagpost"),
    };
    let address = SocketAddr::new(options.host, options.port);
    let place = Place::take(address, path::absolute(&state).context("--state")?)?;

    setup::run(repository)?;
    worker::build(repository, &worker::Options::default())?;
    let settings = Settings {
        place: &place,
        vars,
        secrets: &secrets,
    };
    let mut relay = Relay::start(repository, &settings)?;
    demo::create(relay.url(), &secrets, place.state())?;
    let commands = demo::commands(relay.url(), repository.relative(place.state()))?;
    println!(
        "\ntagpost is ready on {}; Ctrl-C stops it.\n\n{}\n{commands}",
        relay.url(),
        demo::console(relay.url(), &secrets),
    );

    let status = relay.wait()?;
    if interrupt::happened() {
        return Ok(());
    }
    bail!("the service ended with {status}");
}

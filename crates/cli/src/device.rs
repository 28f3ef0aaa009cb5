//! `tagpost device`: the operator's devices and their tokens.

use std::io::{self, IsTerminal, Write};

use futures_util::future::join_all;
use serde_json::json;
use tagpost_client::{Client, Device as Entry, DeviceId, DeviceStatus, Error, TokenId};

use crate::advice::Failure;
use crate::arguments::{Device, Global, Grant, WhichToken};
use crate::login;
use crate::output::{self, FAINT, Outcome};
use crate::pair;
use crate::session::Session;

/// How many devices are asked at the same time.
const AT_A_TIME: usize = 8;

pub(crate) async fn run(global: &Global, command: Device) -> Result<Outcome, Failure> {
    match command {
        Device::Add { device, grant } => add(global, &device, &grant).await?,
        Device::Pair { device, grant } => pair::run(global, &device, &grant).await?,
        Device::Ls { presence } => list(global, presence).await?,
        Device::Show { device } => {
            let session = Session::open(global)?;
            let status = session.either()?.device(&device).await?;
            output::object(global, &status, describe)?;
        }
        Device::Rm { device, yes } => {
            let client = Session::open(global)?.operator()?;
            if !yes && !confirmed(&device)? {
                return Err(Failure::new(format!("{device} was not removed")));
            }
            client.delete_device(&device).await.map_err(not_there)?;
            done(global, &device, "removed", "and its tokens are removed")?;
        }
        Device::Revoke {
            device,
            token_id: Some(which),
        } => revoke_one(global, &device, which).await?,
        Device::Revoke {
            device,
            token_id: None,
        } => {
            Session::open(global)?
                .operator()?
                .revoke_tokens(&device)
                .await?;
            done(
                global,
                &device,
                "revoked",
                "needs a new token: all earlier ones are revoked",
            )?;
        }
    }
    Ok(Outcome::Done)
}

/// The token alone goes to standard output, so that it can be put where it belongs.
async fn add(global: &Global, device: &DeviceId, grant: &Grant) -> Result<(), Failure> {
    let created = Session::open(global)?
        .operator()?
        .put_device(device, &grant.request())
        .await?;
    output::object(global, &created, |created| created.token.clone())?;
    if !global.json {
        let id = created.token_id.as_ref();
        let id = id.map_or(String::new(), |id| format!(" Its id is {id}."));
        output::note(format!(
            "This is the token of {device}. It is shown only now.{id}"
        ));
        if created.existed {
            output::note(format!(
                "{device} existed already, and its earlier tokens stay valid, with what they allow; \
                 `tagpost device revoke {device}` ends them, and this one."
            ));
        }
    }
    Ok(())
}

async fn revoke_one(global: &Global, device: &DeviceId, which: WhichToken) -> Result<(), Failure> {
    let (id, expires_at) = match which {
        WhichToken::Id(id) => (id, None),
        WhichToken::Given => {
            let token = login::secret("The token to revoke: ")?;
            let end = login::end(&token).filter(|end| end.sub == *device);
            let end = end.ok_or_else(|| Failure::new(format!("this is no token of {device}")))?;
            let id = end.jti.and_then(|id| id.parse().ok());
            let id: TokenId = id.ok_or_else(|| {
                Failure::new("the token has no id").advise(format!(
                    "`tagpost device revoke {device}` revokes it with all others of the device."
                ))
            })?;
            // Rounded up: an end that is too early would let the token come back.
            (id, end.exp.map(|seconds| seconds.ceil() as i64 * 1000))
        }
    };
    let operator = Session::open(global)?.operator()?;
    operator.revoke_token(device, &id, expires_at).await?;
    output::object(
        global,
        &json!({ "device": device, "token_id": id, "revoked": true }),
        |_| {
            format!(
                "Tokens of {device} with the id {id} are refused from now on. Its other tokens stay valid."
            )
        },
    )
}

/// Asks on a terminal. Where nobody can be asked, who wrote the command has decided.
fn confirmed(device: &DeviceId) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        return Ok(true);
    }
    let question = format!(
        "Remove {device}, with its tokens, its tags, its traces and what waits for it? [y/N] "
    );
    let mut answer = String::new();
    let asked =
        write!(io::stderr(), "{question}").and_then(|()| io::stdin().read_line(&mut answer));
    asked.map_err(|error| Failure::new(format!("cannot ask: {error}")))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// Who removes a device does not want to be told how to create it.
fn not_there(error: Error) -> Failure {
    let is_missing = matches!(&error, Error::Refused(problem) if problem.code == "unknown_device");
    let failure = Failure::from(error);
    if is_missing {
        return failure.advise("`tagpost device ls` lists all devices.");
    }
    failure
}

async fn list(global: &Global, presence: bool) -> Result<(), Failure> {
    let client = Session::open(global)?.operator()?;
    let mut after = None;
    loop {
        let page = client.devices(after.as_ref()).await?;
        if page.entries.is_empty() && !global.json {
            output::note("There are no devices yet; `tagpost device add DEVICE` creates one.");
        }
        let width = output::width(page.entries.iter().map(|device| device.device.as_str()));
        if presence {
            list_presence(global, &client, &page.entries, width).await?;
        }
        for device in page.entries.iter().filter(|_| !presence) {
            output::object(global, device, |device| {
                let (name, age) = (device.device.as_str(), output::age(device.created_at));
                format!("{name:<width$}  {FAINT}created {age}{FAINT:#}")
            })?;
        }
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
}

/// Asks a few devices at a time, so that a fleet wakes up one after the other. One that cannot be asked, or that was
/// removed meanwhile, does not hide the others.
async fn list_presence(
    global: &Global,
    client: &Client,
    devices: &[Entry],
    width: usize,
) -> Result<(), Failure> {
    for some in devices.chunks(AT_A_TIME) {
        let asked = some.iter().map(|device| client.device(&device.device));
        for (device, status) in some.iter().zip(join_all(asked).await) {
            let name = device.device.as_str();
            match status {
                Ok(status) => output::object(global, &status, |status| {
                    let (presence, queue) = (presence(status), queue(status));
                    format!("{name:<width$}  {presence}{FAINT}{queue}{FAINT:#}")
                })?,
                Err(error) => output::note(format!("{name}: {error}")),
            }
        }
    }
    Ok(())
}

/// `, 3 waiting, 1 in flight`, or nothing.
fn queue(status: &DeviceStatus) -> String {
    let counts = [
        (status.held, "waiting"),
        (status.in_flight, "in flight"),
        (status.in_progress, "in progress"),
    ];
    let counts = counts.iter().filter(|(count, _)| *count > 0);
    counts
        .map(|(count, what)| format!(", {count} {what}"))
        .collect()
}

fn presence(status: &DeviceStatus) -> String {
    match (status.online, status.connected_at, status.last_seen_at) {
        (true, Some(since), _) => format!("online, connected {}", output::age(since)),
        (true, None, _) => "online".to_owned(),
        (false, _, Some(seen)) => format!("offline, last seen {}", output::age(seen)),
        (false, _, None) => "offline, never seen".to_owned(),
    }
}

/// A device in a few lines.
pub(crate) fn describe(status: &DeviceStatus) -> String {
    let presence = presence(status);
    let tags: Vec<&str> = status.tags.iter().map(|tag| tag.as_str()).collect();
    let tags = if tags.is_empty() {
        "none".to_owned()
    } else {
        tags.join(" ")
    };
    let working = match status.in_progress {
        0 => String::new(),
        some => format!(", {some} in progress"),
    };
    let since = status.held_since.map(output::age);
    let oldest = since.map_or(String::new(), |age| format!(", the oldest {age}"));
    format!(
        "{}: {presence}\n  waiting    {}\n  in flight  {}{working}\n  in all     {} bytes{oldest}\n  tags       {tags}",
        status.device, status.held, status.in_flight, status.held_bytes
    )
}

/// Says that it was done; there is nothing to tell but that.
fn done(global: &Global, device: &DeviceId, what: &str, words: &str) -> Result<(), Failure> {
    output::object(global, &json!({ "device": device, what: true }), |_| {
        format!("{device} {words}.")
    })
}

//! Which service a command speaks to, and as whom.
//!
//! What is said on the command line or in the environment wins over the profile. A profile's credentials
//! go to the profile's service alone: with another URL they are not used.

use std::{env, fs};

use tagpost_client::{Client, DeviceId};

use crate::advice::Failure;
use crate::arguments::Global;
use crate::login::subject;
use crate::profile::Profiles;

/// The environment variable of a device's token.
const TOKEN: &str = "TAGPOST_TOKEN";
/// The environment variable of the admin key.
const ADMIN_KEY: &str = "TAGPOST_ADMIN_KEY";

/// A service, and the credentials there are for it. It does not print itself.
pub(crate) struct Session {
    pub(crate) url: String,
    pub(crate) token: Option<String>,
    pub(crate) admin_key: Option<String>,
}

impl Session {
    /// What the command line, the environment and the profile say together.
    pub(crate) fn open(global: &Global) -> Result<Self, Failure> {
        let profiles = Profiles::load()?;
        let profile = profiles.get(&global.profile);
        let url = global
            .url
            .as_deref()
            .or(profile.map(|profile| profile.url.as_str()));
        let url = url.ok_or_else(|| {
            Failure::new(format!(
                "no service is configured: the profile {} is empty",
                global.profile
            ))
            .advise("Store one with `tagpost login URL`, or set TAGPOST_URL.")
        })?;
        let same = |a: &str, b: &str| a.trim_end_matches('/') == b.trim_end_matches('/');
        let profile = profile.filter(|profile| same(&profile.url, url));
        let token = match token_given(global)? {
            Some(token) => Some(token),
            None => profile.and_then(|profile| profile.token.clone()),
        };
        let admin_key =
            variable(ADMIN_KEY).or(profile.and_then(|profile| profile.admin_key.clone()));
        Ok(Self {
            url: url.to_owned(),
            token,
            admin_key,
        })
    }

    /// A client that speaks as a device.
    pub(crate) fn device(&self) -> Result<Client, Failure> {
        let token = self.token.as_deref().ok_or_else(|| {
            Failure::new(format!("no device token is stored for {}", self.url)).advise(
                "Get one with `tagpost device add DEVICE`; store it with `tagpost login URL`, or set TAGPOST_TOKEN.",
            )
        })?;
        Ok(Client::new(&self.url, token)?)
    }

    /// The same, with the device's name, which its token says.
    pub(crate) fn device_and_name(&self) -> Result<(Client, DeviceId), Failure> {
        let client = self.device()?;
        let device = self.token.as_deref().and_then(subject).ok_or_else(|| {
            Failure::new("the token is not a device token")
                .advise("Get one with `tagpost device add DEVICE`.")
        })?;
        Ok((client, device))
    }

    /// A client that speaks as the operator.
    pub(crate) fn operator(&self) -> Result<Client, Failure> {
        let key = self.admin_key.as_deref().ok_or_else(|| {
            Failure::new(format!("there is no admin key for {}", self.url))
                .advise("Store it with `tagpost login URL`, or set TAGPOST_ADMIN_KEY.")
        })?;
        Ok(Client::new(&self.url, key)?)
    }

    /// A client that speaks as a device if it can, about its own messages; else as the operator, about any.
    pub(crate) fn sender_or_operator(&self) -> Result<Client, Failure> {
        match &self.token {
            Some(_) => self.device(),
            None => self.operator(),
        }
    }

    /// A client that speaks as the operator if it can, else as a device.
    pub(crate) fn either(&self) -> Result<Client, Failure> {
        match &self.admin_key {
            Some(_) => self.operator(),
            None => self.device(),
        }
    }
}

/// The URL of the service, if one is known. No credential is read.
pub(crate) fn url(global: &Global) -> Option<String> {
    let of_profile = || {
        let profiles = Profiles::load().ok()?;
        let profile = profiles.get(&global.profile)?;
        Some(profile.url.clone())
    };
    global.url.clone().or_else(of_profile)
}

/// The token that the environment or a file holds.
fn token_given(global: &Global) -> Result<Option<String>, Failure> {
    if let Some(token) = variable(TOKEN) {
        return Ok(Some(token));
    }
    let Some(path) = &global.token_file else {
        return Ok(None);
    };
    let text = fs::read_to_string(path).map_err(|error| {
        Failure::new(format!(
            "cannot read the token in {}: {error}",
            path.display()
        ))
    })?;
    Ok(Some(text.trim().to_owned()))
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

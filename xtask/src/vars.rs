//! The variables given on the command line, as `NAME=VALUE`, and those of wrangler.toml: limits, and a few others.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result, bail};
use tagpost_core::limits::Limits;
use tagpost_core::operator_event::Settings;

/// What can be set besides the limits. They have no default, and are not in wrangler.toml.
const OTHERS: [&str; 3] = ["EVENTS_TAG", "AWAY_AFTER", "PUBLIC_URL"];

/// Variables by name.
pub(crate) type Vars = BTreeMap<String, String>;

/// The variables that `--var` sets, checked together with those of wrangler.toml.
///
/// # Errors
/// An argument that is no `NAME=VALUE`, a name that cannot be set, a value out of range.
pub(crate) fn parse(arguments: &[String]) -> Result<Vars> {
    let vars = split(arguments)?;
    let mut all = configured()?;
    all.extend(vars.clone());
    check(&all)?;
    Ok(vars)
}

/// The entries of `[vars]` in wrangler.toml.
pub(crate) fn configured() -> Result<Vars> {
    let text = fs::read_to_string("wrangler.toml").context("cannot read wrangler.toml")?;
    read(&text).context("wrangler.toml")
}

/// Checks the value of every limit, and how events are published. The service checks the others when it starts.
pub(crate) fn check(vars: &Vars) -> Result<()> {
    Limits::from_vars(|name| vars.get(name).cloned())?;
    Settings::from_vars(|name| vars.get(name).cloned())?;
    Ok(())
}

fn split(arguments: &[String]) -> Result<Vars> {
    let mut vars = Vars::new();
    for argument in arguments {
        let Some((name, value)) = argument.split_once('=') else {
            bail!("--var {argument}: expected NAME=VALUE");
        };
        if !Limits::NAMES.contains(&name) && !OTHERS.contains(&name) {
            bail!(
                "--var {argument}: {name} cannot be set; there are {}, {}",
                Limits::NAMES.join(", "),
                OTHERS.join(", ")
            );
        }
        vars.insert(name.to_owned(), value.to_owned());
    }
    Ok(vars)
}

fn read(toml: &str) -> Result<Vars> {
    #[derive(serde::Deserialize)]
    struct Configuration {
        #[serde(default)]
        vars: BTreeMap<String, toml::Value>,
    }
    let configuration: Configuration = toml::from_str(toml)?;
    let vars = configuration
        .vars
        .into_iter()
        .map(|(name, value)| match value {
            toml::Value::String(text) => (name, text),
            other => (name, other.to_string()),
        });
    Ok(vars.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(arguments: &[&str]) -> Vec<String> {
        arguments.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_last_value_of_a_name_counts() {
        let vars = split(&arguments(&[
            "KEEPALIVE=5",
            "MAX_IN_FLIGHT=1",
            "KEEPALIVE=7",
        ]))
        .unwrap();
        let expected = [("KEEPALIVE", "7"), ("MAX_IN_FLIGHT", "1")];
        assert_eq!(
            vars,
            expected
                .map(|(name, value)| (name.into(), value.into()))
                .into()
        );
    }

    #[test]
    fn what_cannot_be_set_is_refused_by_name() {
        for (argument, complaint) in [
            ("KEEPALIVE", "--var KEEPALIVE: expected NAME=VALUE"),
            (
                "KEEP_ALIVE=5",
                "--var KEEP_ALIVE=5: KEEP_ALIVE cannot be set; there are MAX_PAYLOAD_BYTES, ",
            ),
            ("=5", "--var =5:  cannot be set"),
        ] {
            let error = split(&arguments(&[argument])).unwrap_err().to_string();
            assert!(error.starts_with(complaint), "{argument}: {error}");
        }
    }

    #[test]
    fn a_value_out_of_range_is_refused_by_name() {
        for value in ["0", "-1", "", "many", "1.5"] {
            let vars = split(&arguments(&[&format!("KEEPALIVE={value}")])).unwrap();
            let error = check(&vars).unwrap_err().to_string();
            assert!(error.contains("KEEPALIVE"), "{value}: {error}");
        }
    }

    #[test]
    fn where_events_go_is_set_and_checked() {
        let set = [
            "EVENTS_TAG=ops",
            "AWAY_AFTER=60",
            "PUBLIC_URL=https://push.example",
        ];
        assert!(check(&split(&arguments(&set)).unwrap()).is_ok());
        for wrong in ["EVENTS_TAG=@ops", "AWAY_AFTER=0"] {
            let vars = split(&arguments(&[wrong])).unwrap();
            let (name, _) = wrong.split_once('=').unwrap();
            let error = check(&vars).unwrap_err().to_string();
            assert!(error.starts_with(name), "{error}");
        }
    }

    #[test]
    fn numbers_in_wrangler_toml_count_as_their_digits() {
        let vars = read("[vars]\nKEEPALIVE = 5\nMAX_IN_FLIGHT = \"7\"").unwrap();
        let expected = [("KEEPALIVE", "5"), ("MAX_IN_FLIGHT", "7")];
        assert_eq!(
            vars,
            expected
                .map(|(name, value)| (name.into(), value.into()))
                .into()
        );
        assert!(read("").unwrap().is_empty());
    }

    #[test]
    fn wrangler_toml_sets_every_limit_to_its_default() {
        let text = include_str!("../../wrangler.toml");
        let vars = read(text).unwrap();
        let names: Vec<&str> = Limits::NAMES
            .iter()
            .copied()
            .filter(|name| !vars.contains_key(*name))
            .collect();
        assert!(names.is_empty(), "missing: {names:?}");
        assert_eq!(
            vars.len(),
            Limits::NAMES.len(),
            "unknown names among {vars:?}"
        );
        let limits = Limits::from_vars(|name| vars.get(name).cloned()).unwrap();
        assert_eq!(limits, Limits::default());
    }
}

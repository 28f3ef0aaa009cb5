//! The secrets of a local relay, stored in `.dev.vars` as wrangler expects them.

use std::env;
use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};

/// The file, in the repository's root; git ignores it.
const FILE: &str = ".dev.vars";

/// The shortest secret that the Worker accepts, in bytes.
const SHORTEST: usize = 16;

/// The secret that seals the URLs of Web Push. Files that an earlier version made do not have it.
const PUSH_KEY: &str = "PUSH_KEY";

/// The shortest one that the Worker accepts, in bytes.
const SHORTEST_PUSH_KEY: usize = 32;

/// The private key that the service identifies itself with to push services: 64 hexadecimal digits. Files that an
/// earlier version made do not have it either.
const VAPID_KEY: &str = "VAPID_KEY";

/// Secrets that are not made, and count if they are there.
const OPTIONAL: [&str; 4] = [
    "ADMIN_KEY_OLD",
    "TOKEN_KEY_OLD",
    "VIEWER_KEY",
    "PUSH_KEY_OLD",
];

/// The secrets of a relay. They have no way into a log: the type cannot be printed.
pub(crate) struct Secrets {
    pub(crate) admin_key: String,
    pub(crate) token_key: String,
    pub(crate) push_key: String,
    pub(crate) vapid_key: String,
    /// Those of [`OPTIONAL`] that are there. The Worker says if one is too short.
    pub(crate) others: Vec<(&'static str, String)>,
}

impl Secrets {
    /// The secrets from the environment, or else from the file, which is made if there is none.
    ///
    /// # Errors
    /// A secret that is nowhere, or too short to be one; it is named.
    pub(crate) fn load() -> Result<Self> {
        let file = read_or_create(Path::new(FILE))?;
        Self::choose(|name| env::var(name).ok(), &file)
    }

    fn choose(environment: impl Fn(&str) -> Option<String>, file: &str) -> Result<Self> {
        let given = |name: &str| environment(name).or_else(|| find(file, name));
        let secret = |name: &str, shortest: usize| {
            let value = given(name).ok_or_else(|| {
                anyhow!("{name} is neither in the environment nor in {FILE}; add a line {name}=... with a random value")
            })?;
            if value.len() < shortest {
                bail!(
                    "{name} is shorter than {shortest} bytes; use a random value such as `openssl rand -hex 32` prints"
                );
            }
            Ok(value)
        };
        Ok(Self {
            admin_key: secret("ADMIN_KEY", SHORTEST)?,
            token_key: secret("TOKEN_KEY", SHORTEST)?,
            push_key: secret(PUSH_KEY, SHORTEST_PUSH_KEY)?,
            vapid_key: secret(VAPID_KEY, SHORTEST_PUSH_KEY)?,
            others: OPTIONAL
                .into_iter()
                .filter_map(|name| Some((name, given(name).filter(|value| !value.is_empty())?)))
                .collect(),
        })
    }
}

fn read_or_create(path: &Path) -> Result<String> {
    let mut content = match fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            format!("ADMIN_KEY={}\nTOKEN_KEY={}\n", random()?, random()?)
        }
        read => read.with_context(|| format!("cannot read {}", path.display()))?,
    };
    let missing = [PUSH_KEY, VAPID_KEY].map(|name| (name, find(&content, name).is_none()));
    for (name, _) in missing.iter().filter(|(_, is_missing)| *is_missing) {
        let line_end = if content.ends_with('\n') { "" } else { "\n" };
        content = format!("{content}{line_end}{name}={}\n", random()?);
    }
    if missing.iter().any(|(_, is_missing)| *is_missing) {
        write_private(path, &content)?;
    }
    Ok(content)
}

/// Writes a file that only its owner can read.
pub(crate) fn write_private(path: &Path, content: &str) -> Result<()> {
    let write = || {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        options.open(path)?.write_all(content.as_bytes())
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// 256 random bits, in hexadecimal digits.
fn random() -> Result<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|error| anyhow!("the system gives no random numbers: {error}"))?;
    bytes.iter().try_fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}")?;
        Ok(hex)
    })
}

/// The value of `name` among lines `NAME=VALUE`, with or without quotes; the last one counts.
fn find(file: &str, name: &str) -> Option<String> {
    let line = file.lines().rev().find_map(|line| {
        let line = line.trim();
        let line = line.strip_prefix("export ").unwrap_or(line);
        let (key, value) = line.split_once('=')?;
        (key.trim() == name).then(|| value.trim())
    })?;
    let unquoted = ['"', '\'', '`']
        .into_iter()
        .find_map(|quote| line.strip_prefix(quote)?.strip_suffix(quote))
        .or_else(|| line.split('#').next().map(str::trim_end))?;
    Some(unquoted.to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const KEY: &str = "0123456789abcdef";

    #[test]
    fn a_value_is_found_as_wrangler_finds_it() {
        for (line, value) in [
            ("ADMIN_KEY=secret", "secret"),
            ("  ADMIN_KEY = secret  ", "secret"),
            (
                "export ADMIN_KEY=\"a secret # indeed\"",
                "a secret # indeed",
            ),
            ("ADMIN_KEY='secret'", "secret"),
            ("ADMIN_KEY=a=b # not this", "a=b"),
            (
                "# ADMIN_KEY=old\nMY_ADMIN_KEY=other\nADMIN_KEY=older\nADMIN_KEY=new",
                "new",
            ),
        ] {
            assert_eq!(find(line, "ADMIN_KEY").as_deref(), Some(value), "{line}");
        }
        assert_eq!(find("# ADMIN_KEY=old\nTOKEN_KEY=x", "ADMIN_KEY"), None);
    }

    #[test]
    fn a_new_file_has_four_random_secrets_for_its_owner_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(".dev.vars");
        let content = read_or_create(&path).unwrap();
        let secrets = Secrets::choose(|_| None, &content).unwrap();
        assert_eq!((secrets.admin_key.len(), secrets.token_key.len()), (64, 64));
        assert_ne!(secrets.admin_key, secrets.token_key);
        assert_eq!(secrets.push_key.len(), 64);
        assert_ne!(secrets.push_key, secrets.token_key);
        assert_eq!(secrets.vapid_key.len(), 64);
        assert_ne!(secrets.vapid_key, secrets.push_key);
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(
            read_or_create(&path).unwrap(),
            content,
            "the file was made anew"
        );
    }

    #[test]
    fn a_file_of_an_earlier_version_gets_the_other_keys_and_keeps_the_rest() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(".dev.vars");
        write_private(&path, &format!("ADMIN_KEY={KEY}\nTOKEN_KEY={KEY}")).unwrap();
        let content = read_or_create(&path).unwrap();
        let secrets = Secrets::choose(|_| None, &content).unwrap();
        assert_eq!(
            (secrets.admin_key.as_str(), secrets.token_key.as_str()),
            (KEY, KEY)
        );
        assert_eq!((secrets.push_key.len(), secrets.vapid_key.len()), (64, 64));
        assert_eq!(read_or_create(&path).unwrap(), content, "it got others");
    }

    #[test]
    fn the_environment_wins_over_the_file() {
        let file = format!(
            "ADMIN_KEY={KEY}\nTOKEN_KEY={KEY}\nPUSH_KEY={KEY}{KEY}\nVAPID_KEY={KEY}{KEY}\n"
        );
        let environment =
            |name: &str| (name == "TOKEN_KEY").then(|| "from the environment".to_owned());
        let secrets = Secrets::choose(environment, &file).unwrap();
        assert_eq!(secrets.admin_key, KEY);
        assert_eq!(secrets.token_key, "from the environment");
    }

    #[test]
    fn keys_beside_the_four_count_if_they_are_there() {
        let four = format!(
            "ADMIN_KEY={KEY}\nTOKEN_KEY={KEY}\nPUSH_KEY={KEY}{KEY}\nVAPID_KEY={KEY}{KEY}\n"
        );
        let none = Secrets::choose(|_| None, &four).unwrap();
        assert_eq!(none.others, []);
        let file = format!("{four}TOKEN_KEY_OLD=old\nVIEWER_KEY=\nADMIN_KEY_OLD=older\n");
        let environment = |name: &str| (name == "ADMIN_KEY_OLD").then(|| "given".to_owned());
        let some = Secrets::choose(environment, &file).unwrap();
        let expected = [("ADMIN_KEY_OLD", "given"), ("TOKEN_KEY_OLD", "old")];
        assert_eq!(
            some.others,
            expected.map(|(name, value)| (name, value.to_owned()))
        );
    }

    #[test]
    fn a_secret_that_is_missing_or_short_is_named_but_not_shown() {
        let file = format!("ADMIN_KEY={KEY}\n");
        let missing = Secrets::choose(|_| None, &file).err().unwrap().to_string();
        assert!(missing.starts_with("TOKEN_KEY is neither"), "{missing}");
        let file = format!("ADMIN_KEY={KEY}\nTOKEN_KEY=hunter2\n");
        let short = Secrets::choose(|_| None, &file).err().unwrap().to_string();
        assert!(
            short.starts_with("TOKEN_KEY is shorter than 16 bytes"),
            "{short}"
        );
        assert!(!short.contains("hunter2"), "{short}");
    }
}

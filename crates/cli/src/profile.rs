//! Profiles: which service, and as whom; kept in a file that only its owner can read.

use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use directories::ProjectDirs;
use serde::{Deserialize, Serialize};

use crate::advice::Failure;

/// A service, and credentials for it. It does not print itself.
#[derive(Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Profile {
    pub(crate) url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) admin_key: Option<String>,
}

/// All profiles, and the file that keeps them.
pub(crate) struct Profiles {
    path: PathBuf,
    profiles: BTreeMap<String, Profile>,
}

impl Profiles {
    /// Reads them from the platform's configuration directory.
    pub(crate) fn load() -> Result<Self, Failure> {
        let directories = ProjectDirs::from("", "", "tagpost")
            .ok_or_else(|| Failure::new("there is no home directory to keep profiles in"))?;
        Self::read(directories.config_dir().join("profiles.toml"))
    }

    fn read(path: PathBuf) -> Result<Self, Failure> {
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            Err(error) => {
                return Err(Failure::new(format!(
                    "cannot read {}: {error}",
                    path.display()
                )));
            }
        };
        // The parser's message would quote the line, which may hold a secret.
        let profiles = toml::from_str(&text).map_err(|_| {
            Failure::new(format!("{} is not a file of profiles", path.display()))
                .advise("Remove it, and `tagpost login URL` makes a new one.")
        })?;
        Ok(Self { path, profiles })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Profile> {
        self.profiles.get(name)
    }

    /// Keeps a profile.
    pub(crate) fn set(&mut self, name: &str, profile: Profile) -> Result<(), Failure> {
        self.profiles.insert(name.to_owned(), profile);
        self.write()
    }

    /// Forgets a profile; whether there was one.
    pub(crate) fn remove(&mut self, name: &str) -> Result<bool, Failure> {
        let removed = self.profiles.remove(name).is_some();
        self.write()?;
        Ok(removed)
    }

    /// Replaces the file as a whole: a crash leaves the old one or the new one.
    fn write(&self) -> Result<(), Failure> {
        let write = || {
            let text = toml::to_string(&self.profiles).map_err(std::io::Error::other)?;
            let directory = self.path.parent().unwrap_or(Path::new("."));
            fs::create_dir_all(directory)?;
            // It is made with the mode 0600.
            let mut file = tempfile::NamedTempFile::new_in(directory)?;
            file.write_all(text.as_bytes())?;
            file.as_file().sync_all()?;
            file.persist(&self.path)?;
            Ok(())
        };
        write().map_err(|error: std::io::Error| {
            Failure::new(format!("cannot write {}: {error}", self.path.display()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(token: &str) -> Profile {
        Profile {
            url: "http://127.0.0.1:8787".to_owned(),
            token: Some(token.to_owned()),
            admin_key: None,
        }
    }

    #[test]
    fn profiles_are_kept_and_forgotten_by_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tagpost/profiles.toml");
        let mut profiles = Profiles::read(path.clone()).ok().unwrap();
        profiles.set("default", profile("a")).unwrap();
        profiles.set("other", profile("b")).unwrap();
        let mut profiles = Profiles::read(path.clone()).ok().unwrap();
        assert!(profiles.get("default") == Some(&profile("a")));
        assert!(profiles.remove("default").unwrap() && !profiles.remove("default").unwrap());
        let profiles = Profiles::read(path).ok().unwrap();
        assert!(profiles.get("default").is_none() && profiles.get("other") == Some(&profile("b")));
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_the_file_also_when_it_is_replaced() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("profiles.toml");
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        Profiles::read(path.clone())
            .ok()
            .unwrap()
            .set("default", profile("a"))
            .unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }

    #[test]
    fn a_broken_file_is_named_and_its_secrets_are_not_shown() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("profiles.toml");
        fs::write(&path, "[default]\ntoken = hunter2").unwrap();
        let failure = format!("{:?}", Profiles::read(path).err().unwrap());
        assert!(
            failure.contains("profiles.toml") && !failure.contains("hunter2"),
            "{failure}"
        );
    }
}

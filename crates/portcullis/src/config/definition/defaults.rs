//! The defaults of each profile, from the settings in force without a configuration.
//! Never: a default that is written down a second time.

use serde_json::Value;

use crate::config::profile::Profile;
use crate::config::read::error::ConfigError;
use crate::config::summary;
use crate::config::weakening::check::profile_defaults;

/// The settings in force of each profile, as `portcullis check` prints them.
pub(super) struct Defaults {
    profiles: Vec<(Profile, Value)>,
}

impl Defaults {
    pub(super) fn read() -> Result<Self, ConfigError> {
        let read = |profile| {
            let table = summary::table(&profile_defaults(profile)?, &[]);
            Ok((profile, serde_json::to_value(table).unwrap_or_default()))
        };
        let profiles = Profile::ALL.into_iter().map(read).collect::<Result<_, ConfigError>>()?;
        Ok(Self { profiles })
    }

    /// The default of a key, unless no profile has one.
    pub(super) fn of(&self, path: &str) -> Option<KeyDefault> {
        let find = |table: &Value| {
            let pointer = format!("/{}", path.replace('.', "/"));
            table.pointer(&pointer).filter(|value| !value.is_null()).cloned()
        };
        let values = self.profiles.iter().map(|(profile, table)| Some((*profile, find(table)?)));
        Some(KeyDefault { values: values.collect::<Option<_>>()? })
    }
}

/// The default of a key in each profile.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct KeyDefault {
    values: Vec<(Profile, Value)>,
}

impl KeyDefault {
    /// A default of all profiles.
    pub(super) fn same(value: &Value) -> Self {
        Self { values: Profile::ALL.map(|profile| (profile, value.clone())).to_vec() }
    }

    pub(super) fn get(&self, profile: Profile) -> Option<&Value> {
        self.values.iter().find(|(of, _)| *of == profile).map(|(_, value)| value)
    }

    /// The value, if all profiles have the same.
    pub(super) fn only(&self) -> Option<&Value> {
        let (_, first) = self.values.first()?;
        self.values.iter().all(|(_, value)| value == first).then_some(first)
    }

    /// The value of the profile `production`, and of the profiles that differ.
    pub(super) fn text(&self) -> String {
        let usual = self.get(Profile::Production);
        let mut text = usual.map(shown).unwrap_or_default();
        for (profile, value) in &self.values {
            if Some(value) != usual {
                text.push_str(&format!("; in `{}` {}", profile.name(), shown(value)));
            }
        }
        text
    }
}

/// A value as TOML in a text.
fn shown(value: &Value) -> String {
    format!("`{}`", toml(value))
}

/// A value as TOML, in one line.
pub(super) fn toml(value: &Value) -> String {
    toml::Value::try_from(value).map(|value| value.to_string()).unwrap_or_default()
}

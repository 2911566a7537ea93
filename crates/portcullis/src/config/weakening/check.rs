//! Finds values in force that are weaker than the default of the profile.
//! Never: a change of a setting.

use std::path::Path;

use portcullis_guard::Action;
use toml::{Table, Value};

use super::rule::{Facts, Rule};
use super::table::KEYS;
use crate::config::profile::Profile;
use crate::config::read::error::ConfigError;
use crate::config::settings::{Settings, Sources};
use crate::config::summary;
use crate::config::warning::Warning;

/// The keys that a profile requires: pages, and TLS at a proxy.
const REQUIRED: &str = "tls = { mode = \"off\" }\n\
                        origin = { allowed = [\"https://chat.example\"] }\n\
                        admin = { host = \"admin.chat.example\" }\n";

/// All weakenings in force, in the order of the table, without those of `[danger]`.
///
/// # Errors
/// None for settings that were read: the defaults of each profile are valid.
pub(crate) fn weakenings(
    settings: &Settings,
    actions: &[Action],
) -> Result<Vec<Warning>, ConfigError> {
    let usual = profile_defaults(settings.profile)?;
    let (seen, defaults) = (summary::table(settings, actions), summary::table(&usual, &[]));
    let facts = Facts { settings, usual: &usual, actions };
    let warnings = settings.warnings();
    let mut found = Vec::new();
    for (key, rule) in KEYS {
        let texts = match *rule {
            Rule::Custom(find) => find(&facts),
            Rule::Warned => {
                let of_key = warnings.iter().filter(|warning| warning.key == *key);
                of_key.map(|warning| warning.text.clone()).collect()
            }
            Rule::Safe(_) | Rule::Rejected(_) | Rule::Danger => continue,
            Rule::On(_)
            | Rule::Off(_)
            | Rule::MoreThan(..)
            | Rule::LessThanPart(..)
            | Rule::LessThan(..)
            | Rule::Faster(..)
            | Rule::Words(..) => {
                let default = value(&defaults, key);
                let text = value(&seen, key).and_then(|seen| rule.check(seen, default));
                text.into_iter().collect()
            }
        };
        found.extend(texts.into_iter().map(|text| Warning::new(key, text)));
    }
    Ok(found)
}

/// Warnings of settings that weaken nothing and are probably a mistake.
pub(crate) fn mistakes(settings: &Settings) -> Vec<Warning> {
    let weakens = |key| KEYS.iter().any(|(known, rule)| *known == key && rule.is_warned());
    settings.warnings().into_iter().filter(|warning| !weakens(warning.key)).collect()
}

/// The defaults of a profile.
pub(crate) fn profile_defaults(profile: Profile) -> Result<Settings, ConfigError> {
    let text = match profile {
        Profile::Development => "",
        Profile::Production | Profile::Strict => REQUIRED,
    };
    let sources = Sources { profile: Some(profile), ..Sources::default() };
    Settings::read_text(Path::new("portcullis.toml"), text, &sources)
}

/// The value of a key such as `rate.login_per_user`.
fn value<'a>(table: &'a Table, key: &str) -> Option<&'a Value> {
    let (section, name) = key.split_once('.')?;
    table.get(section)?.get(name)
}

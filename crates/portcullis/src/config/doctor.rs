//! `[doctor]`: what the regular audit needs from the operator (a flaw of a dependency).
//! Never: an address; the server downloads no advisory.

use std::path::PathBuf;

use portcullis_admin::{AcceptedFinding, CheckId, FINDING_KEY_MAX_BYTES};
use portcullis_audit::{parse_utc, utc};
use portcullis_model::Now;
use schemars::JsonSchema;
use serde::Deserialize;
use toml::{Table, Value};

use crate::config::read::error::ConfigError;
use crate::config::read::table::section;
use crate::config::warning::Warning;

const ACCEPT: &str = "doctor.accept";
/// Most findings that are accepted.
const ACCEPTED_MAX: usize = 64;
/// Shortest and longest reason, in bytes.
const REASON_MIN_BYTES: usize = 3;
const REASON_MAX_BYTES: usize = 200;

/// `[doctor]`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct DoctorSection {
    /// A directory of advisories in the format OSV, for the check D10 of the regular audit.
    #[schemars(extend("x-default-text" = "none", "examples" = ["/var/lib/portcullis/advisories"]))]
    advisories_dir: Option<PathBuf>,
    /// Findings of the regular audit that raise no alert for a while, with a reason and an end
    /// that is at most a year away; at most 64.
    #[schemars(extend("x-default" = [], "examples" = [[{
        "key": "D6 age",
        "reason": "the backup server is replaced in February",
        "until": "2027-03-01",
    }]]))]
    accept: Vec<AcceptSection>,
}

/// `[[doctor.accept]]`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct AcceptSection {
    /// The key of the finding, as reports show it.
    key: String,
    /// Why it is accepted.
    reason: String,
    /// The end: a date or a time, in UTC.
    until: String,
}

/// The settings of the regular audit.
#[derive(Debug, Clone, Default)]
pub(crate) struct DoctorSettings {
    /// The directory of advisories that the operator provides.
    pub(crate) advisories: Option<PathBuf>,
    pub(crate) accepted: Vec<AcceptedFinding>,
}

impl DoctorSection {
    /// Reads the section; an empty directory is none.
    pub(crate) fn read(self) -> Result<DoctorSettings, ConfigError> {
        if self.accept.len() > ACCEPTED_MAX {
            let (seen, why) = (self.accept.len(), format!("at most {ACCEPTED_MAX} are possible"));
            let mend = "mend findings, and remove their entries";
            return Err(ConfigError::refused(ACCEPT, format!("{seen} entries"), why, mend));
        }
        let mut accepted: Vec<AcceptedFinding> = Vec::with_capacity(self.accept.len());
        for entry in self.accept {
            let entry = entry.read()?;
            if accepted.iter().any(|known| known.key == entry.key) {
                let (seen, why) = (format!("{:?}", entry.key), "another entry has it");
                return Err(refused("key", seen, why, "remove one of them"));
            }
            accepted.push(entry);
        }
        let advisories = self.advisories_dir.filter(|path| !path.as_os_str().is_empty());
        Ok(DoctorSettings { advisories, accepted })
    }
}

impl AcceptSection {
    fn read(self) -> Result<AcceptedFinding, ConfigError> {
        let Self { key, reason, until } = self;
        let is_known = key.split_once(' ').is_some_and(|(id, name)| {
            !name.is_empty() && CheckId::ALL.iter().any(|known| known.name() == id)
        });
        if !is_known || key.len() > FINDING_KEY_MAX_BYTES || key.contains(char::is_control) {
            let why = "a key of a finding is a check from D1 to D14, a space, and a name";
            let mend = "copy it from portcullis doctor --json, like key = \"D6 age\"";
            return Err(refused("key", format!("{key:?}"), why, mend));
        }
        let length = reason.trim().len();
        if !(REASON_MIN_BYTES..=REASON_MAX_BYTES).contains(&length)
            || reason.contains(char::is_control)
        {
            let why = "an accepted finding needs a reason of 3 to 200 characters on one line";
            return Err(refused("reason", format!("{reason:?}"), why, "write why it is accepted"));
        }
        let Some(until_unix_ms) = parse_utc(&until) else {
            let why = "an accepted finding needs an end, at most a year from now";
            let mend = "write a date or a time in UTC, like until = \"2027-03-01\"";
            return Err(refused("until", format!("{until:?}"), why, mend));
        };
        Ok(AcceptedFinding { key, reason: String::from(reason.trim()), until_unix_ms })
    }
}

fn refused(key: &str, seen: String, why: &str, mend: &str) -> ConfigError {
    ConfigError::refused(format!("{ACCEPT}.{key}"), seen, why, mend)
}

impl DoctorSettings {
    /// Warnings about entries without an effect: the end is too far, or has passed.
    pub(crate) fn warnings(&self, now: Now) -> Vec<Warning> {
        let without_effect =
            self.accepted.iter().filter(|entry| !entry.is_in_force(now.unix_ms)).map(|entry| {
                let (key, until) = (&entry.key, utc(entry.until_unix_ms));
                let text = if entry.is_too_long(now.unix_ms) {
                    format!(
                        "{key:?} is not accepted: until is {until}, more than a year from now; \
                         write an earlier end"
                    )
                } else {
                    format!("{key:?} was accepted until {until}: remove the entry, or decide again")
                };
                Warning::new(ACCEPT, text)
            });
        without_effect.collect()
    }

    /// The section in force.
    pub(crate) fn table(&self) -> Table {
        let advisories = self.advisories.as_ref();
        let shown = advisories.map(|path| path.display().to_string()).unwrap_or_default();
        let accepted = self.accepted.iter().map(|entry| {
            Value::Table(section([
                ("key", entry.key.clone().into()),
                ("reason", entry.reason.clone().into()),
                ("until", utc(entry.until_unix_ms).into()),
            ]))
        });
        section([("advisories_dir", shown.into()), ("accept", Value::Array(accepted.collect()))])
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn read(toml: &str) -> Result<DoctorSettings, String> {
        let section: DoctorSection = toml::from_str(toml).map_err(|error| error.to_string())?;
        section.read().map_err(|error| error.to_string())
    }

    #[test]
    fn directory_of_advisories_is_none_unless_it_is_named() {
        for (toml, expect) in [
            ("", None),
            ("advisories_dir = \"\"", None),
            ("advisories_dir = \"/srv/osv\"", Some(Path::new("/srv/osv"))),
        ] {
            assert_eq!(read(toml).unwrap().advisories.as_deref(), expect, "{toml}");
        }
        assert!(read("advisories = \"x\"").is_err());
    }

    #[test]
    fn accepted_finding_needs_a_key_a_reason_and_an_end() {
        let entry = "[[accept]]\nkey = \"D6 age\"\nreason = \"a plan\"\nuntil = \"2027-03-01\"\n";
        let settings = read(entry).unwrap();
        assert_eq!(settings.accepted[0].until_unix_ms, 1_803_859_200_000);
        let again: DoctorSection = settings.table().try_into().unwrap();
        assert_eq!(again.read().unwrap().accepted, settings.accepted, "the summary is read again");
        for (from, to, part) in [
            ("key = \"D6 age\"\n", "", "doctor.accept.key is \"\""),
            ("D6 age", "D6", "doctor.accept.key is \"D6\""),
            ("D6 age", "D15 age", "doctor.accept.key is \"D15 age\""),
            ("reason = \"a plan\"\n", "", "doctor.accept.reason is \"\""),
            ("a plan", "  x  ", "doctor.accept.reason is"),
            ("until = \"2027-03-01\"\n", "", "doctor.accept.until is \"\""),
            ("2027-03-01", "next year", "doctor.accept.until is \"next year\""),
            ("until", "end", "unknown field `end`"),
        ] {
            let error = read(&entry.replace(from, to)).unwrap_err();
            assert!(error.contains(part), "{from} {to}: {error}");
        }
        let twice = read(&format!("{entry}{entry}")).unwrap_err();
        assert!(twice.contains("another entry has it"), "{twice}");
        assert!(read(&entry.repeat(65)).unwrap_err().contains("at most 64"));
    }

    #[test]
    fn entry_with_a_passed_or_distant_end_is_named() {
        let entry = "[[accept]]\nkey = \"D6 age\"\nreason = \"a plan\"\nuntil = \"2027-03-01\"\n";
        let settings = read(entry).unwrap();
        for (now, part) in [
            ("2027-02-28T23:59:59Z", None),
            ("2026-02-28T00:00:00Z", None),
            ("2027-03-01T00:00:00Z", Some("was accepted until 2027-03-01")),
            ("2026-02-27T00:00:00Z", Some("more than a year")),
        ] {
            let now = Now { monotonic_ms: 0, unix_ms: parse_utc(now).unwrap() };
            let warnings = settings.warnings(now);
            assert_eq!(warnings.len(), usize::from(part.is_some()), "{now:?}");
            assert!(part.is_none_or(|part| warnings[0].text.contains(part)), "{now:?}");
        }
    }
}

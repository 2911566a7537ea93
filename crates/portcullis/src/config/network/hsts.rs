//! `[hsts]`: whether browsers use HTTPS only (RFC 6797; ASVS 5.0, 3.4.1).
//! Never: in the development profile, where it would affect all other programs of this machine.

use portcullis_server::StrictTransport;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::profile::Profile;
use crate::config::read::error::ConfigError;
use crate::config::read::number::within;
use crate::config::warning::Warning;

/// `[hsts]`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct HstsSection {
    /// Whether browsers have to use HTTPS only (`Strict-Transport-Security`). It cannot be on
    /// in `development`, and cannot be off in `strict`.
    enabled: Option<bool>,
    /// Seconds for which browsers use HTTPS only; 63072000 is two years. 0 removes the rule from
    /// browsers.
    #[schemars(range(min = 0, max = 315360000))]
    max_age_s: Option<u64>,
    /// Whether the rule covers all subdomains of the name.
    include_subdomains: Option<bool>,
    /// Whether the name can be on the preload list of browsers. It needs a year and all subdomains.
    preload: Option<bool>,
}

const YEAR_S: u64 = 31_536_000;
/// Ten years; a longer time is a typing error.
const LONGEST_S: u64 = 10 * YEAR_S;

impl HstsSection {
    /// The header that is sent, if any.
    pub(crate) fn read(&self, profile: Profile) -> Result<Option<StrictTransport>, ConfigError> {
        let usual = StrictTransport::default();
        let hsts = StrictTransport {
            max_age_s: within("hsts.max_age_s", self.max_age_s, usual.max_age_s, 0..=LONGEST_S)?,
            include_subdomains: self.include_subdomains.unwrap_or(usual.include_subdomains),
            preload: self.preload.unwrap_or(usual.preload),
        };
        let is_eligible = hsts.max_age_s >= YEAR_S && hsts.include_subdomains;
        if hsts.preload && !is_eligible {
            let why = "browsers preload only names with max_age_s of a year and all subdomains";
            let mend = "set max_age_s = 63072000 and include_subdomains = true, or remove preload";
            return Err(ConfigError::refused("hsts.preload", "true", why, mend));
        }
        match (profile, self.enabled) {
            (Profile::Development, Some(true)) => {
                let why = "browsers would use https for every program on the names of this machine";
                let mend = "remove it, or use profile = \"production\" with your certificate";
                Err(ConfigError::refused("hsts.enabled", "true", why, mend))
            }
            (Profile::Development, None | Some(false)) => Ok(None),
            (Profile::Strict, Some(false)) => {
                let why = "the strict profile always sends it";
                let mend = "remove it, or use profile = \"production\"";
                Err(ConfigError::refused("hsts.enabled", "false", why, mend))
            }
            (Profile::Production, Some(false)) => Ok(None),
            (Profile::Production | Profile::Strict, None | Some(true)) => Ok(Some(hsts)),
        }
    }
}

/// Warnings about values that are weaker than the default, outside development.
pub(crate) fn warnings(profile: Profile, hsts: Option<StrictTransport>) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut warn = |key, text| warnings.push(Warning::new(key, text));
    match (profile, hsts) {
        (Profile::Development, _) => {}
        (Profile::Production | Profile::Strict, None) => {
            let text = "false: the first request of a browser can be in plain text; leave it out";
            warn("hsts.enabled", text);
        }
        (Profile::Production | Profile::Strict, Some(hsts)) => {
            if hsts.max_age_s < YEAR_S {
                let text = "less than a year, which ASVS 3.4.1 requires: browsers that return \
                            later can use plain text again; write 31536000 or more";
                warn("hsts.max_age_s", text);
            }
            if !hsts.include_subdomains {
                let text = "false: browsers can still load subdomains in plain text, which can set \
                            cookies; leave it out when all subdomains have TLS";
                warn("hsts.include_subdomains", text);
            }
        }
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, profile: Profile) -> Result<Option<StrictTransport>, String> {
        let section: HstsSection = toml::from_str(text).unwrap();
        section.read(profile).map_err(|error| error.to_string())
    }

    #[test]
    fn hsts_is_on_outside_development_and_covers_subdomains() {
        assert_eq!(read("", Profile::Development), Ok(None));
        assert_eq!(read("enabled = false", Profile::Development), Ok(None));
        for profile in [Profile::Production, Profile::Strict] {
            let hsts = read("", profile).unwrap().unwrap();
            assert_eq!(hsts, StrictTransport::default());
            assert!(hsts.include_subdomains && hsts.max_age_s >= YEAR_S);
            assert_eq!(warnings(profile, Some(hsts)), []);
        }
        assert_eq!(read("enabled = false", Profile::Production), Ok(None));
    }

    #[test]
    fn invalid_hsts_is_rejected_and_weak_hsts_gets_a_warning() {
        let cases = [
            ("enabled = true", Profile::Development, "every program"),
            ("enabled = false", Profile::Strict, "always sends it"),
            ("preload = true\nmax_age_s = 300", Profile::Production, "preload only"),
            ("preload = true\ninclude_subdomains = false", Profile::Production, "preload only"),
            ("max_age_s = 999999999999", Profile::Production, "outside 0 to 315360000"),
        ];
        for (text, profile, expect) in cases {
            let error = read(text, profile).unwrap_err();
            assert!(error.contains(expect), "{text}: {error}");
        }
        let weak = read("max_age_s = 0\ninclude_subdomains = false", Profile::Production);
        assert_eq!(warnings(Profile::Production, weak.unwrap()).len(), 2);
        assert_eq!(warnings(Profile::Production, None).len(), 1);
        assert!(read("preload = true", Profile::Production).unwrap().unwrap().preload);
    }
}

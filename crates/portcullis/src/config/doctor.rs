//! `[doctor]`: what the regular audit needs from the operator (a flaw of a dependency).
//! Never: an address; the server downloads no advisory.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Table;

use crate::config::read::table::section;

/// `[doctor]`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct DoctorSection {
    /// A directory of advisories in the format OSV, for the check D10 of the regular audit.
    #[schemars(extend("x-default-text" = "none", "examples" = ["/var/lib/portcullis/advisories"]))]
    advisories_dir: Option<PathBuf>,
}

impl DoctorSection {
    /// The directory of advisories; an empty text is none.
    pub(crate) fn read(self) -> Option<PathBuf> {
        self.advisories_dir.filter(|path| !path.as_os_str().is_empty())
    }
}

/// The section in force.
pub(crate) fn table(advisories: Option<&Path>) -> Table {
    let shown = advisories.map(|path| path.display().to_string()).unwrap_or_default();
    section([("advisories_dir", shown.into())])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directory_of_advisories_is_none_unless_it_is_named() {
        for (toml, expect) in [
            ("", None),
            ("advisories_dir = \"\"", None),
            ("advisories_dir = \"/srv/osv\"", Some(Path::new("/srv/osv"))),
        ] {
            let section: DoctorSection = toml::from_str(toml).unwrap();
            assert_eq!(section.read().as_deref(), expect, "{toml}");
        }
        assert!(toml::from_str::<DoctorSection>("advisories = \"x\"").is_err());
    }
}

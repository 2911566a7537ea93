//! `[admin]`: the dashboard for administrators and auditors.
//! Never: a role; `[access]` and the roles of users decide what they can do.

use serde::Deserialize;
use toml::Table;

use crate::config::read::table::section;

/// `[admin]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AdminSection {
    /// Whether the public listener serves the dashboard at `/admin/`; true.
    page: Option<bool>,
}

/// The settings of the dashboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AdminSettings {
    pub(crate) page: DashboardPage,
}

/// Whether the public listener serves the dashboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DashboardPage {
    Served,
    Absent,
}

impl AdminSection {
    pub(crate) fn read(&self) -> AdminSettings {
        let page = match self.page {
            None | Some(true) => DashboardPage::Served,
            Some(false) => DashboardPage::Absent,
        };
        AdminSettings { page }
    }
}

impl AdminSettings {
    /// The section in force.
    pub(crate) fn table(self) -> Table {
        section([("page", (self.page == DashboardPage::Served).into())])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dashboard_is_served_unless_it_is_switched_off() {
        for (toml, expect) in [
            ("", DashboardPage::Served),
            ("page = true", DashboardPage::Served),
            ("page = false", DashboardPage::Absent),
        ] {
            let section: AdminSection = toml::from_str(toml).unwrap();
            assert_eq!(section.read().page, expect, "{toml}");
        }
        assert!(toml::from_str::<AdminSection>("pages = true").is_err());
    }
}

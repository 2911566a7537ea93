//! `[admin]`: the dashboard for administrators and auditors, and where it exists.
//! Never: a role; `[access]` and the roles of users decide what they can do.

use std::net::SocketAddr;

use portcullis_guard::{DashboardRules, check_origin};
use schemars::JsonSchema;
use serde::Deserialize;
use toml::Table;

use crate::config::development::{self, is_of_this_machine};
use crate::config::network::origin::{Origins, is_local, name};
use crate::config::network::tls::TlsSettings;
use crate::config::profile::Profile;
use crate::config::read::error::ConfigError;
use crate::config::read::table::section;
use crate::config::warning::Warning;

const HOST: &str = "admin.host";
/// The risk of a dashboard on the host of the chat.
const SHARED: &str = "a script that gets into a page of the chat could act in the dashboard of an \
                      administrator who is signed in there (ASVS 5.0, 3.5.4)";
const MEND: &str = "name a second host of this server, like host = \"admin.chat.example\"";

/// `[admin]`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AdminSection {
    /// Whether the public listener serves the dashboard at `/admin/`.
    page: Option<bool>,
    /// A host of its own for the dashboard, so that scripts in pages of the chat cannot act in it
    /// (ASVS 3.5.4).
    #[schemars(extend("x-default-text" = "none; required in `strict` unless `page` is `false`"))]
    #[schemars(extend("examples" = ["admin.chat.example"]))]
    host: Option<String>,
    /// Networks of the clients for which the dashboard exists; `[]` is all of them.
    #[schemars(extend("examples" = [["10.0.0.0/8", "2001:db8::1"]]))]
    from: Vec<String>,
}

/// The settings of the dashboard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AdminSettings {
    pub(crate) page: DashboardPage,
    /// The host of its own, if there is one.
    host: Option<String>,
    /// The networks for which it exists; all when empty.
    from: Vec<String>,
}

/// Whether the public listener serves the dashboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DashboardPage {
    Served,
    Absent,
}

impl AdminSection {
    pub(crate) fn read(
        self,
        profile: Profile,
        origins: &Origins,
    ) -> Result<AdminSettings, ConfigError> {
        let page = match self.page {
            None | Some(true) => DashboardPage::Served,
            Some(false) => DashboardPage::Absent,
        };
        match &self.host {
            Some(host) => check_host(host, profile, origins)?,
            None if profile == Profile::Strict && page == DashboardPage::Served => {
                let mend = format!("{MEND}; or set page = false");
                return Err(ConfigError::refused(HOST, "not set", SHARED, mend));
            }
            None => {}
        }
        Ok(AdminSettings { page, host: self.host, from: self.from })
    }
}

/// Checks the host of the dashboard: a name that no page of the product has.
fn check_host(host: &str, profile: Profile, origins: &Origins) -> Result<(), ConfigError> {
    let refuse = |why, mend| Err(ConfigError::refused(HOST, format!("{host:?}"), why, mend));
    if let Err(why) = check_origin(&format!("https://{host}")) {
        let mend = "write it as in the Host header: a lower-case name, and a port unless it is 443";
        return refuse(why, mend);
    }
    match profile {
        Profile::Development if !is_of_this_machine(host) => {
            return refuse(development::WHY, "use admin.localhost, or another profile");
        }
        Profile::Production | Profile::Strict if is_local(name(host)) => {
            return refuse("any program on the machine of a user can serve this page", MEND);
        }
        _ => {}
    }
    if origins.own_names(profile).any(|own| own == name(host)) {
        let why = "it is also a host of the chat; another port is not enough, because ports share \
                   cookies";
        return refuse(why, MEND);
    }
    Ok(())
}

impl AdminSettings {
    /// The rules for the gate, when the port is known.
    pub(crate) fn rules(
        &self,
        profile: Profile,
        tls: &TlsSettings,
        public: SocketAddr,
    ) -> DashboardRules {
        let from = self.from.clone();
        let Some(host) = &self.host else { return DashboardRules { from, ..Default::default() } };
        let scheme = match profile {
            Profile::Development => tls.scheme(),
            Profile::Production | Profile::Strict => "https",
        };
        let mut hosts = vec![host.clone()];
        // Without a port, it is the one of the listener, or the default port of a proxy.
        if name(host) == host && public.port() != tls.default_port() {
            hosts.push(format!("{host}:{}", public.port()));
        }
        let origins = hosts.iter().map(|host| format!("{scheme}://{host}")).collect();
        DashboardRules { hosts, origins, from }
    }

    /// Whether the dashboard has a host of its own.
    pub(crate) fn has_own_host(&self) -> bool {
        self.host.is_some()
    }

    /// The origin of the dashboard's pages on its own host.
    pub(crate) fn origin(
        &self,
        profile: Profile,
        tls: &TlsSettings,
        public: SocketAddr,
    ) -> Option<String> {
        let origins = self.rules(profile, tls, public).origins;
        match profile {
            // No proxy is in front, so the port is the one of the listener.
            Profile::Development => origins.last().cloned(),
            Profile::Production | Profile::Strict => origins.first().cloned(),
        }
    }

    /// A warning when the dashboard shares the host of the product.
    pub(crate) fn warning(&self, profile: Profile) -> Option<Warning> {
        let is_shared = self.page == DashboardPage::Served && self.host.is_none();
        let text = || Warning::new(HOST, format!("not set: {SHARED}; {MEND}"));
        (is_shared && profile != Profile::Development).then(text)
    }

    /// The section in force.
    pub(crate) fn table(&self) -> Table {
        let host = self.host.iter().map(|host| ("host", host.clone().into()));
        let others = [
            ("page", (self.page == DashboardPage::Served).into()),
            ("from", self.from.clone().into()),
        ];
        section(host.chain(others))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::read;

    #[test]
    fn dashboard_is_served_unless_it_is_switched_off() {
        for (toml, expect) in [
            ("", DashboardPage::Served),
            ("[admin]\npage = true\n", DashboardPage::Served),
            ("[admin]\npage = false\n", DashboardPage::Absent),
        ] {
            assert_eq!(read(toml).unwrap().identity.admin.page, expect, "{toml}");
        }
        assert!(toml::from_str::<AdminSection>("pages = true").is_err());
    }

    fn with(profile: &str, admin: &str) -> Result<crate::config::Settings, String> {
        let origin =
            "[origin]\nallowed = [\"https://chat.example\", \"https://app.example:444\"]\n";
        let origin = if profile == "development" { "" } else { origin };
        read(&format!("profile = {profile:?}\n[tls]\nmode = \"off\"\n{origin}[admin]\n{admin}\n"))
    }

    #[test]
    fn host_of_the_dashboard_is_a_name_that_no_other_page_has() {
        // Profile, host, a word of the error.
        let cases = [
            ("production", "admin.example", None),
            ("production", "admin.example:8443", None),
            ("production", "admin.chat.example", None),
            ("production", "chat.example", Some("share cookies")),
            ("production", "chat.example:444", Some("share cookies")),
            ("production", "app.example", Some("share cookies")),
            ("production", "admin.localhost", Some("machine of a user")),
            ("production", "Admin.example", Some("lower-case")),
            ("production", "https://admin.example", Some("lower-case")),
            ("production", "admin.example:443", Some("default port")),
            ("production", "*.example", Some("pattern")),
            ("production", "", Some("lower-case")),
            ("strict", "admin.example", None),
            ("development", "admin.localhost", None),
            ("development", "localhost", Some("share cookies")),
            ("development", "127.0.0.1", Some("share cookies")),
            ("development", "admin.example", Some("this machine only")),
        ];
        for (profile, host, expect) in cases {
            let found = with(profile, &format!("host = {host:?}")).err();
            match (&found, expect) {
                (None, None) => {}
                (Some(error), Some(word)) => {
                    assert!(
                        error.contains("admin.host") && error.contains(word),
                        "{host}: {error}"
                    );
                }
                _ => panic!("{profile} {host}: {found:?}"),
            }
        }
    }

    #[test]
    fn profiles_require_a_host_of_the_dashboard_or_warn() {
        // Profile, section, the error, the number of warnings.
        let cases = [
            ("production", "", false, 1),
            ("production", "page = false", false, 0),
            ("production", "host = \"admin.example\"", false, 0),
            ("strict", "", true, 0),
            ("strict", "page = false", false, 0),
            ("strict", "host = \"admin.example\"", false, 0),
            ("development", "", false, 0),
        ];
        for (profile, admin, fails, count) in cases {
            let found = with(profile, admin);
            assert_eq!(found.is_err(), fails, "{profile} {admin}");
            let Ok(settings) = found else { continue };
            let warnings = settings.warnings();
            let of_host = warnings.iter().filter(|warning| warning.key == HOST).count();
            assert_eq!(of_host, count, "{profile} {admin}: {warnings:?}");
        }
        let error = with("strict", "").err().unwrap();
        assert!(error.contains("3.5.4") && error.contains("page = false"), "{error}");
    }

    #[test]
    fn network_of_the_dashboard_is_checked_and_shown() {
        let error = with("production", "from = [\"10.0.0.1/8\"]").err().unwrap();
        assert!(error.contains("admin.from"), "{error}");
        let admin = "host = \"admin.example\"\nfrom = [\"10.0.0.0/8\", \"2001:db8::1\"]";
        let settings = with("production", admin).unwrap();
        let summary = crate::config::summary(&settings, &[]);
        assert!(summary.contains("host = \"admin.example\""), "{summary}");
        assert_eq!(crate::config::summary(&read(&summary).unwrap(), &[]), summary);
    }

    #[test]
    fn names_of_the_dashboard_follow_from_its_host_and_the_listener() {
        let cases: [(&str, &str, &str, &[&str], &str); 4] = [
            (
                "production",
                "admin.example",
                "127.0.0.1:8080",
                &["https://admin.example", "https://admin.example:8080"],
                "https://admin.example",
            ),
            (
                "production",
                "admin.example:8443",
                "127.0.0.1:8443",
                &["https://admin.example:8443"],
                "https://admin.example:8443",
            ),
            ("production", "admin.example", "127.0.0.1:80", &["https://admin.example"], ""),
            (
                "development",
                "admin.localhost",
                "127.0.0.1:8443",
                &["http://admin.localhost", "http://admin.localhost:8443"],
                "http://admin.localhost:8443",
            ),
        ];
        for (profile, host, public, origins, page) in cases {
            let mut settings = with(profile, &format!("host = {host:?}")).unwrap();
            settings.settle(public.parse().unwrap());
            let rules = &settings.gate.dashboard;
            assert_eq!(rules.origins, origins, "{host} {public}");
            let own = |origin: &String| origin.split_once("://").map(|(_, host)| host.to_owned());
            assert_eq!(rules.hosts, origins_of(&rules.origins, own), "{host} {public}");
            assert!(!settings.gate.origins.iter().any(|origin| origin.contains("admin.")));
            if !page.is_empty() {
                assert_eq!(settings.dashboard_url(), format!("{page}/admin/"));
            }
        }
        let shared = with("production", "").unwrap();
        assert_eq!(shared.dashboard_url(), "https://chat.example/admin/");
    }

    fn origins_of(origins: &[String], own: impl Fn(&String) -> Option<String>) -> Vec<String> {
        origins.iter().filter_map(own).collect()
    }
}

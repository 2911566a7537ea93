//! `[audit]`: the files of security records and their retention (a full disk).
//! Never: no file, or a file without a bound.

use std::path::{Path, PathBuf};

use portcullis_audit::{AddressForm, AuditOptions, SyslogTarget, syslog_tls};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::alert::AlertSettings;
use crate::config::read::error::ConfigError;
use crate::config::read::number::within;

/// One mebibyte.
pub(crate) const MIB: u64 = 1024 * 1024;
/// Default size of all files of `access_file` together.
const ACCESS_TOTAL_BYTES: u64 = 1_024 * MIB;

/// `[audit]`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AuditSection {
    /// The file to which security records are appended.
    #[schemars(extend("x-default-text" = "`security.log` in the data directory"))]
    #[schemars(extend("examples" = ["/var/log/portcullis/security.log"]))]
    file: Option<PathBuf>,
    /// Whether records also go to standard output.
    stdout: Option<bool>,
    /// Size in MiB at which the file is closed and renamed. This also happens at midnight UTC.
    #[schemars(range(min = 1, max = 1024))]
    segment_mib: Option<u64>,
    /// Days after which closed files are removed.
    #[schemars(range(min = 1, max = 3650))]
    keep_days: Option<u32>,
    /// Days after which personal parts of closed files are erased.
    #[schemars(range(min = 1, max = 3650))]
    personal_days: Option<u32>,
    /// The form of recorded addresses: complete, as their network, or as a keyed hash that changes
    /// each day.
    #[schemars(extend("enum" = ["full", "prefix", "pseudonym"]))]
    addresses: Option<String>,
    /// Most MiB of all files together. The oldest files are removed first.
    keep_total_mib: Option<u64>,
    /// Whether closed files are compressed (gzip).
    compress: Option<bool>,
    /// Most MiB a day of records of unauthenticated clients. Further records are only counted.
    #[schemars(range(min = 16, max = 65536))]
    unauthenticated_mib_per_day: Option<u64>,
    /// A syslog server that gets every line over TLS.
    #[schemars(extend("examples" = ["tls://siem.example:6514"]))]
    syslog: Option<String>,
    /// Certificate authorities in PEM for that server, in place of those of the machine.
    #[schemars(extend("examples" = ["/etc/portcullis/syslog-ca.pem"]))]
    syslog_ca: Option<PathBuf>,
    /// A file for all attempts that limits count, for `portcullis limits simulate`.
    #[schemars(extend("examples" = ["/var/log/portcullis/access.log"]))]
    access_file: Option<PathBuf>,
    /// Most MiB of all files of `access_file` together.
    #[schemars(extend("x-default" = 1024))]
    access_total_mib: Option<u64>,
}

/// The settings of the security log: its files and their retention.
#[derive(Debug, Clone)]
pub(crate) struct AuditSettings {
    pub(crate) file: PathBuf,
    pub(crate) stdout: bool,
    pub(crate) segment_bytes: u64,
    pub(crate) keep_days: u32,
    pub(crate) personal: PersonalSettings,
    pub(crate) keep_total_bytes: u64,
    pub(crate) compress: bool,
    pub(crate) unauthenticated_day_bytes: u64,
    pub(crate) syslog: Option<SyslogSettings>,
    pub(crate) access_file: Option<PathBuf>,
    pub(crate) access_total_bytes: u64,
    /// `[alert]`.
    pub(crate) alert: AlertSettings,
}

/// The form and the lifetime of personal parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PersonalSettings {
    /// Days after which personal parts are erased.
    pub(crate) days: u32,
    pub(crate) addresses: AddressForm,
}

/// The syslog server that gets every line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SyslogSettings {
    pub(crate) url: String,
    pub(crate) target: SyslogTarget,
    pub(crate) authorities: Option<PathBuf>,
}

impl SyslogSettings {
    fn read(
        url: Option<String>,
        authorities: Option<PathBuf>,
    ) -> Result<Option<Self>, ConfigError> {
        let Some(url) = url.filter(|url| !url.is_empty()) else {
            return match authorities {
                Some(path) => Err(ConfigError::file(
                    "audit.syslog_ca",
                    &path,
                    "audit.syslog names no server",
                    "set audit.syslog, or leave it out",
                )),
                None => Ok(None),
            };
        };
        let target = SyslogTarget::parse(&url).map_err(|error| {
            let mend = "write tls://HOST:PORT, such as tls://siem.example:6514";
            ConfigError::refused("audit.syslog", format!("{url:?}"), error.to_string(), mend)
        })?;
        let settings = Self { url, target, authorities };
        settings.authorities_pem()?;
        Ok(Some(settings))
    }

    /// Reads the authorities, and checks them.
    pub(crate) fn authorities_pem(&self) -> Result<Option<Vec<u8>>, ConfigError> {
        let Some(path) = &self.authorities else { return Ok(None) };
        let fault = |why: String| {
            let mend = "name a file of certificates in PEM";
            ConfigError::file("audit.syslog_ca", path, why, mend)
        };
        let pem =
            std::fs::read(path).map_err(|error| fault(format!("it cannot be read ({error})")))?;
        syslog_tls(Some(&pem)).map_err(|error| fault(error.to_string()))?;
        Ok(Some(pem))
    }
}

impl AuditSection {
    pub(crate) fn read(
        self,
        data: &Path,
        alert: AlertSettings,
    ) -> Result<AuditSettings, ConfigError> {
        let default = AuditOptions::default();
        let mebibytes = |key, value, default_bytes, range| {
            within(key, value, default_bytes / MIB, range).map(|mebibytes| mebibytes * MIB)
        };
        let segment = default.segment_bytes;
        let segment_bytes = mebibytes("audit.segment_mib", self.segment_mib, segment, 1..=1_024)?;
        let total = default.keep_total_bytes;
        let total = mebibytes("audit.keep_total_mib", self.keep_total_mib, total, 2..=1_048_576)?;
        let day = default.unauthenticated_day_bytes;
        let day_key = "audit.unauthenticated_mib_per_day";
        let day = mebibytes(day_key, self.unauthenticated_mib_per_day, day, 16..=65_536)?;
        let access_key = "audit.access_total_mib";
        let access =
            mebibytes(access_key, self.access_total_mib, ACCESS_TOTAL_BYTES, 2..=1_048_576)?;
        let days = default.personal_days;
        let personal = PersonalSettings {
            days: within("audit.personal_days", self.personal_days, days, 1..=3_650)?,
            addresses: address_form(self.addresses.as_deref())?,
        };
        let settings = AuditSettings {
            file: self.file.unwrap_or_else(|| data.join("security.log")),
            stdout: self.stdout.unwrap_or(true),
            segment_bytes,
            keep_days: within("audit.keep_days", self.keep_days, default.keep_days, 1..=3_650)?,
            personal,
            keep_total_bytes: total,
            compress: self.compress.unwrap_or(default.compress),
            unauthenticated_day_bytes: day,
            syslog: SyslogSettings::read(self.syslog, self.syslog_ca)?,
            access_file: self.access_file,
            access_total_bytes: access,
            alert,
        };
        settings.check()?;
        Ok(settings)
    }
}

fn address_form(word: Option<&str>) -> Result<AddressForm, ConfigError> {
    let Some(word) = word else { return Ok(AddressForm::default()) };
    AddressForm::ALL.into_iter().find(|form| form.name() == word).ok_or_else(|| {
        let mend = "write \"full\", \"prefix\" or \"pseudonym\"";
        ConfigError::refused("audit.addresses", format!("{word:?}"), "it is not a form", mend)
    })
}

impl AuditSettings {
    /// Checks that two files fit: the open one and the last closed one.
    fn check(&self) -> Result<(), ConfigError> {
        let mut totals = vec![("audit.keep_total_mib", self.keep_total_bytes)];
        if self.access_file.is_some() {
            totals.push(("audit.access_total_mib", self.access_total_bytes));
        }
        for (key, total) in totals {
            if total < 2 * self.segment_bytes {
                return Err(ConfigError::refused(
                    key,
                    (total / MIB).to_string(),
                    "it is less than two files of audit.segment_mib",
                    format!("write {} or more", 2 * self.segment_bytes / MIB),
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::alert::AlertSection;
    use crate::config::profile::Profile;

    fn read(toml: &str) -> Result<AuditSettings, String> {
        let section: AuditSection = toml::from_str(toml).unwrap();
        let alert = AlertSection::default().read(Profile::Production).unwrap();
        section.read(Path::new("data"), alert).map_err(|error| error.to_string())
    }

    #[test]
    fn default_audit_settings_bound_every_file() {
        let settings = read("").unwrap();
        assert_eq!(settings.file, Path::new("data/security.log"));
        assert_eq!((settings.segment_bytes, settings.keep_days), (64 * MIB, 90));
        assert_eq!((settings.keep_total_bytes, settings.compress), (2_048 * MIB, true));
        assert_eq!(settings.unauthenticated_day_bytes, 256 * MIB);
        assert_eq!(settings.access_total_bytes, 1_024 * MIB);
    }

    #[test]
    fn audit_value_outside_its_range_is_rejected() {
        for (toml, expect) in [
            ("segment_mib = 0", "audit.segment_mib is 0"),
            ("keep_days = 0", "audit.keep_days is 0"),
            ("personal_days = 0", "audit.personal_days is 0"),
            ("addresses = \"none\"", "audit.addresses is \"none\": it is not a form"),
            ("keep_total_mib = 127", "audit.keep_total_mib is 127: it is less than two files"),
            ("unauthenticated_mib_per_day = 1", "audit.unauthenticated_mib_per_day is 1"),
            ("syslog = \"udp://a:514\"", "audit.syslog is \"udp://a:514\": it is not tls://HOST"),
            ("syslog_ca = \"ca.pem\"", "audit.syslog_ca is ca.pem: audit.syslog names no server"),
            (
                "syslog = \"tls://a\"\nsyslog_ca = \"/nonexistent\"",
                "audit.syslog_ca is /nonexistent: it cannot be read",
            ),
            ("access_file = \"a\"\naccess_total_mib = 100", "audit.access_total_mib is 100"),
        ] {
            let error = read(toml).unwrap_err();
            assert!(error.starts_with(expect), "{toml}: {error}");
        }
        assert_eq!(read("syslog = \"\"").unwrap().syslog, None);
        assert_eq!(read("syslog = \"tls://a\"").unwrap().syslog.unwrap().target.port, 6_514);
        assert!(read("segment_mib = 1\nkeep_total_mib = 2").is_ok());
        for form in AddressForm::ALL {
            let toml = format!("addresses = \"{}\"", form.name());
            assert_eq!(read(&toml).unwrap().personal.addresses, form);
        }
    }
}

//! `[alert]`: when administrators get alerts (an attack that stays unnoticed).
//! Never: a rule that is disabled without a record, or a threshold that cannot be reached.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use portcullis_admin::DigestTime;
use portcullis_audit::{
    AlertOptions, AlertSeverity, CUSTOM_RULES_MAX, CustomRule, RuleError, RuleOverride, Rules,
    ThresholdOverride, ThresholdSummary, key_names, rule_names,
};
use portcullis_model::{Clock, Code};
use schemars::JsonSchema;
use serde::Deserialize;
use toml::{Table, Value};

use crate::config::channel::{ChannelSection, ChannelSettings, read_channels};
use crate::config::profile::Profile;
use crate::config::read::error::ConfigError;
use crate::config::read::number::within;
use crate::config::read::table::{number, section};

/// The largest threshold.
const COUNT_MAX: u64 = 1_000_000;
/// The longest window, in seconds: a day.
const WINDOW_MAX_S: u64 = 86_400;
/// The longest name of a custom rule.
const NAME_MAX_BYTES: usize = 32;

/// `[alert]`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AlertSection {
    /// Seconds without a reached threshold after which an alert is resolved.
    #[schemars(range(min = 60, max = 86400))]
    resolve_after_s: Option<u64>,
    /// Seconds after which an alert that goes on is sent again.
    #[schemars(range(min = 300, max = 86400))]
    update_every_s: Option<u64>,
    /// More keys of one rule than this become one alert.
    #[schemars(range(min = 1, max = 100))]
    storm_keys: Option<u64>,
    /// When the weekly digest is sent by all mail channels: a day, a time and a zone.
    #[schemars(extend("x-default-text" = "never", "examples" = ["mon 08:00 Europe/Berlin"]))]
    digest: Option<String>,
    /// Changes to a rule of the server, by its name. docs/alerts.md lists the rules.
    rule: BTreeMap<String, RuleSection>,
    /// A rule of your own; at most 32.
    custom: Vec<CustomSection>,
    /// A channel by which alerts reach administrators; at most 16. docs/alerts.md explains the
    /// kinds.
    channel: Vec<ChannelSection>,
}

/// `[alert.rule.A2]`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct RuleSection {
    /// Whether the rule fires.
    #[schemars(extend("x-default" = true))]
    enabled: Option<bool>,
    /// Records after which the first threshold of the rule fires.
    #[schemars(range(min = 1, max = 1000000))]
    #[schemars(extend("x-default-text" = "as in docs/alerts.md", "examples" = [20]))]
    count: Option<u64>,
    /// Seconds in which these records have to come.
    #[schemars(range(min = 1, max = 86400))]
    #[schemars(extend("x-default-text" = "as in docs/alerts.md", "examples" = [60]))]
    window_s: Option<u64>,
    /// The severity of the alert.
    #[schemars(extend("enum" = ["info", "medium", "high", "critical"]))]
    #[schemars(extend("x-default-text" = "as in docs/alerts.md"))]
    #[schemars(extend("examples" = ["high"]))]
    severity: Option<String>,
    /// Changes to each threshold in the order of docs/alerts.md, in place of the three keys above.
    #[schemars(extend("x-default-text" = "as in docs/alerts.md"))]
    #[schemars(extend("examples" = [[{ "count": 20 }]]))]
    thresholds: Option<Vec<ThresholdSection>>,
}

/// The changes to one threshold of a rule.
#[derive(Debug, Default, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct ThresholdSection {
    /// Records after which the threshold fires.
    #[schemars(range(min = 1, max = 1000000))]
    count: Option<u64>,
    /// Seconds in which these records have to come.
    #[schemars(range(min = 1, max = 86400))]
    window_s: Option<u64>,
    /// The severity of the alert.
    #[schemars(extend("enum" = ["info", "medium", "high", "critical"]))]
    severity: Option<String>,
}

/// `[[alert.custom]]`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CustomSection {
    /// The name in alerts: 1 to 32 letters, digits, `_` and `-`.
    #[schemars(extend("examples" = ["C1"]))]
    name: String,
    /// The codes of the records that it counts, as in docs/records.md.
    #[schemars(extend("examples" = [["authz_fail"]]))]
    code: Vec<String>,
    /// The rules of the records that it counts; `[]` is every rule.
    #[schemars(extend("x-default" = []))]
    #[serde(default)]
    rule: Vec<String>,
    /// The key of its counts: `all`, `user`, `name`, `prefix`, `origin`, `room` or `connection`.
    #[schemars(extend("examples" = ["user"]))]
    key: String,
    /// Records after which it fires.
    #[schemars(range(min = 1, max = 1000000), extend("examples" = [30]))]
    count: u64,
    /// Seconds in which these records have to come.
    #[schemars(range(min = 1, max = 86400), extend("examples" = [3600]))]
    window_s: u64,
    /// The severity of the alert.
    #[schemars(extend("enum" = ["info", "medium", "high", "critical"], "examples" = ["medium"]))]
    severity: String,
}

/// The settings of alerts.
#[derive(Debug, Clone)]
pub(crate) struct AlertSettings {
    pub(crate) rules: Rules,
    pub(crate) resolve_after_s: u64,
    pub(crate) update_every_s: u64,
    pub(crate) storm_keys: usize,
    pub(crate) custom: Vec<CustomRule>,
    pub(crate) channels: Vec<ChannelSettings>,
    /// When the weekly digest is sent, by mail.
    pub(crate) digest: Option<DigestTime>,
}

impl AlertSection {
    pub(crate) fn read(self, profile: Profile) -> Result<AlertSettings, ConfigError> {
        let mut overrides = Vec::new();
        for (id, section) in self.rule {
            // Environment variables have no case: PORTCULLIS__ALERT__RULE__A2__COUNT.
            overrides.push(section.read(id.to_ascii_uppercase(), profile)?);
        }
        if self.custom.len() > CUSTOM_RULES_MAX {
            return Err(ConfigError::refused(
                "alert.custom",
                format!("{} rules", self.custom.len()),
                format!("at most {CUSTOM_RULES_MAX} rules are possible"),
                "remove some of them",
            ));
        }
        let custom = self.custom.into_iter().map(CustomSection::read);
        let custom = custom.collect::<Result<Vec<_>, _>>()?;
        let resolve = within("alert.resolve_after_s", self.resolve_after_s, 600, 60..=86_400)?;
        let update = within("alert.update_every_s", self.update_every_s, 900, 300..=86_400)?;
        let keys = within("alert.storm_keys", self.storm_keys, 20, 1..=100)?;
        let channels = read_channels(self.channel)?;
        Ok(AlertSettings {
            digest: digest(self.digest.as_deref(), &channels)?,
            rules: Rules::build(&overrides, &custom).map_err(rule_error)?,
            resolve_after_s: resolve,
            update_every_s: update,
            storm_keys: usize::try_from(keys).unwrap_or(usize::MAX),
            custom,
            channels,
        })
    }
}

impl AlertSettings {
    /// The options of the engine.
    pub(crate) fn options(&self, state_file: PathBuf, clock: &Arc<dyn Clock>) -> AlertOptions {
        AlertOptions {
            rules: self.rules.clone(),
            resolve_after_s: self.resolve_after_s,
            update_every_s: self.update_every_s,
            storm_keys: self.storm_keys,
            state_file: Some(state_file),
            ..AlertOptions::new(Arc::clone(clock))
        }
    }

    /// The section, with all rules in force.
    pub(crate) fn table(&self) -> Table {
        let is_custom = |id: &str| self.custom.iter().any(|rule| rule.name == id);
        let rules = self.rules.summary();
        let rules = rules.iter().filter(|rule| !is_custom(&rule.id));
        let rules = rules.map(|rule| {
            let thresholds = rule.thresholds.iter().map(threshold_table).collect();
            let table = match rule.enabled {
                true => section([("thresholds", Value::Array(thresholds))]),
                false => section([("enabled", false.into())]),
            };
            (rule.id.clone(), Value::Table(table))
        });
        let custom = self.custom.iter().map(|rule| {
            let codes: Vec<_> = rule.codes.iter().map(|code| code.name()).collect();
            Value::Table(section([
                ("name", rule.name.clone().into()),
                ("code", codes.into()),
                ("rule", rule.rules.clone().into()),
                ("key", rule.key.clone().into()),
                ("count", number(rule.count)),
                ("window_s", number(rule.window_s)),
                ("severity", rule.severity.name().into()),
            ]))
        });
        let channels = self.channels.iter().map(|channel| Value::Table(channel.table()));
        section([
            ("resolve_after_s", number(self.resolve_after_s)),
            ("update_every_s", number(self.update_every_s)),
            ("storm_keys", number(self.storm_keys as u64)),
            ("digest", self.digest.as_ref().map(ToString::to_string).unwrap_or_default().into()),
            ("rule", Value::Table(rules.collect())),
            ("custom", Value::Array(custom.collect())),
            ("channel", Value::Array(channels.collect())),
        ])
    }
}

fn threshold_table(threshold: &ThresholdSummary) -> Value {
    let counts = threshold.count.into_iter();
    let counts = counts.flat_map(|(count, s)| [("count", number(count)), ("window_s", number(s))]);
    let severity = ("severity", threshold.severity.name().into());
    Value::Table(section(counts.chain([severity])))
}

impl RuleSection {
    fn read(self, id: String, profile: Profile) -> Result<RuleOverride, ConfigError> {
        let rule = format!("alert.rule.{id}");
        let disabled = self.enabled == Some(false);
        if disabled && profile == Profile::Strict {
            return Err(ConfigError::refused(
                format!("{rule}.enabled"),
                "false",
                "the strict profile disables no alert",
                "remove the key, or use profile = \"production\"",
            ));
        }
        let first = ThresholdSection {
            count: self.count,
            window_s: self.window_s,
            severity: self.severity,
        };
        let thresholds = match self.thresholds {
            // A rule without a threshold, such as A17, can be disabled.
            None if first == ThresholdSection::default() => Vec::new(),
            None => vec![first.read(&rule)?],
            Some(_) if first != ThresholdSection::default() => {
                let why = "count, window_s and severity beside it are those of the first threshold";
                let mend = "write all of them in thresholds";
                let key = format!("{rule}.thresholds");
                return Err(ConfigError::refused(key, "set", why, mend));
            }
            Some(each) => {
                let each = each.into_iter().enumerate();
                let each = each.map(|(index, one)| one.read(&format!("{rule}.thresholds.{index}")));
                each.collect::<Result<_, _>>()?
            }
        };
        Ok(RuleOverride { id, disabled, thresholds })
    }
}

impl ThresholdSection {
    fn read(self, at: &str) -> Result<ThresholdOverride, ConfigError> {
        let key = |name: &str| format!("{at}.{name}");
        let within = |name: &str, value: Option<u64>, max: u64| {
            value.map(|value| within(&key(name), Some(value), value, 1..=max)).transpose()
        };
        Ok(ThresholdOverride {
            count: within("count", self.count, COUNT_MAX)?,
            window_s: within("window_s", self.window_s, WINDOW_MAX_S)?,
            severity: self.severity.map(|name| severity(&key("severity"), &name)).transpose()?,
        })
    }
}

impl CustomSection {
    fn read(self) -> Result<CustomRule, ConfigError> {
        let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        let is_name = !self.name.is_empty() && self.name.len() <= NAME_MAX_BYTES;
        if !is_name || !self.name.bytes().all(word) {
            return Err(ConfigError::refused(
                "alert.custom.name",
                format!("{:?}", self.name),
                "a name has 1 to 32 letters, digits, _ and -",
                "write another name",
            ));
        }
        let mut codes = Vec::new();
        for name in &self.code {
            codes.push(code(name)?);
        }
        if codes.is_empty() {
            return Err(ConfigError::refused(
                "alert.custom.code",
                "[]",
                "a rule without a code counts nothing",
                "name records of docs/records.md",
            ));
        }
        Ok(CustomRule {
            codes,
            rules: self.rule,
            count: within("alert.custom.count", Some(self.count), 1, 1..=COUNT_MAX)?,
            window_s: within("alert.custom.window_s", Some(self.window_s), 60, 1..=WINDOW_MAX_S)?,
            severity: severity("alert.custom.severity", &self.severity)?,
            name: self.name,
            key: self.key,
        })
    }
}

/// Reads when the digest is sent; an empty text is never.
fn digest(
    text: Option<&str>,
    channels: &[ChannelSettings],
) -> Result<Option<DigestTime>, ConfigError> {
    const KEY: &str = "alert.digest";
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    let time = DigestTime::parse(text).map_err(|error| {
        let mend = "write a day, a time and a zone, such as \"mon 08:00 Europe/Berlin\"";
        ConfigError::refused(KEY, format!("{text:?}"), error.to_string(), mend)
    })?;
    if !channels.iter().any(|channel| channel.receiver.kind() == "mail") {
        let why = "no channel sends mails";
        let mend = "add [[alert.channel]] with kind = \"mail\", or remove the key";
        return Err(ConfigError::refused(KEY, format!("{text:?}"), why, mend));
    }
    Ok(Some(time))
}

fn severity(key: &str, name: &str) -> Result<AlertSeverity, ConfigError> {
    let found = AlertSeverity::ALL.into_iter().find(|severity| severity.name() == name);
    found.ok_or_else(|| {
        ConfigError::no_such_choice(
            key,
            name,
            "write \"info\", \"medium\", \"high\" or \"critical\"",
        )
    })
}

fn code(name: &str) -> Result<Code, ConfigError> {
    let found = Code::ALL.iter().copied().find(|code| code.name() == name);
    found.ok_or_else(|| {
        ConfigError::no_such_choice("alert.custom.code", name, "see docs/records.md for the names")
    })
}

fn rule_error(error: RuleError) -> ConfigError {
    match error {
        RuleError::UnknownRule(id) => ConfigError::refused(
            format!("alert.rule.{id}"),
            "set",
            "there is no such rule",
            format!("write one of {}", rule_names().join(", ")),
        ),
        RuleError::NoThreshold { id, has } => ConfigError::refused(
            format!("alert.rule.{id}.thresholds"),
            "longer",
            format!("the rule has {has} of them"),
            "write one for each threshold of docs/alerts.md, or {} for one that stays",
        ),
        RuleError::NoCount { id, number } => ConfigError::refused(
            format!("alert.rule.{id}"),
            "set",
            format!(
                "its threshold {number} does not count records, so count and window_s have no \
                     effect"
            ),
            "set its severity only, or leave it out",
        ),
        RuleError::UnknownKey(name) => ConfigError::no_such_choice(
            "alert.custom.key",
            &name,
            &format!("write one of {}", key_names().join(", ")),
        ),
        RuleError::NameTaken(name) => ConfigError::refused(
            "alert.custom.name",
            format!("{name:?}"),
            "another rule has this name",
            "write another name",
        ),
    }
}

#[cfg(test)]
mod tests {
    use portcullis_audit::RuleSummary;

    use super::*;

    fn read(toml: &str, profile: Profile) -> Result<AlertSettings, String> {
        let section: AlertSection = toml::from_str(toml).map_err(|error| error.to_string())?;
        section.read(profile).map_err(|error| error.to_string())
    }

    const CUSTOM: &str = "[[custom]]\nname = \"C1\"\ncode = [\"authz_fail\"]\nkey = \"user\"\n\
                          count = 30\nwindow_s = 3600\nseverity = \"medium\"";

    #[test]
    fn thresholds_of_rules_and_custom_rules_are_read() {
        let toml = format!("storm_keys = 5\n[rule.a2]\ncount = 7\n{CUSTOM}");
        let settings = read(&toml, Profile::Production).unwrap();
        let rules = settings.rules.summary();
        let of = |id: &str| first(&rules, id);
        assert_eq!(of("A2"), (Some((7, 600)), AlertSeverity::High));
        assert_eq!(of("C1"), (Some((30, 3600)), AlertSeverity::Medium));
        assert_eq!((settings.storm_keys, settings.resolve_after_s), (5, 600));
    }

    fn first(rules: &[RuleSummary], id: &str) -> (Option<(u64, u64)>, AlertSeverity) {
        let rule = rules.iter().find(|rule| rule.id == id).unwrap();
        (rule.thresholds[0].count, rule.thresholds[0].severity)
    }

    #[test]
    fn each_threshold_of_a_rule_can_be_changed() {
        let toml = "[rule.A3]\nthresholds = [{}, { count = 900, window_s = 60, \
                    severity = \"medium\" }]\n[rule.A11]\nseverity = \"medium\"\n";
        let settings = read(toml, Profile::Production).unwrap();
        let rules = settings.rules.summary();
        let of = |id: &str| rules.iter().find(|rule| rule.id == id).unwrap();
        let counts: Vec<_> = of("A3").thresholds.iter().map(|one| one.count).collect();
        assert_eq!(counts, [Some((50, 600)), Some((900, 60))]);
        assert_eq!(of("A3").thresholds[1].severity, AlertSeverity::Medium);
        assert_eq!(of("A3").thresholds[0].severity, AlertSeverity::High);
        assert_eq!(of("A11").thresholds[0].severity, AlertSeverity::Medium);
        // The section in force has the same effect.
        let table = toml::to_string(&settings.table()).unwrap();
        let again = read(&table, Profile::Production).unwrap();
        assert_eq!(again.rules.summary(), rules, "{table}");
    }

    #[test]
    fn rules_of_the_documentation_are_read() {
        let page = include_str!("../../../../docs/alerts.md");
        let examples = page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next());
        let rules: Vec<_> = examples.filter(|text| text.contains("alert.rule")).collect();
        assert_eq!(rules.len(), 1);
        for text in rules {
            let settings = read(&text.replace("alert.", ""), Profile::Strict).unwrap();
            let rules = settings.rules.summary();
            let of = |id: &str| first(&rules, id);
            assert_eq!(of("A2"), (Some((5, 600)), AlertSeverity::High));
            assert_eq!(of("probes"), (Some((30, 3_600)), AlertSeverity::Medium));
        }
    }

    #[test]
    fn disabled_rule_is_listed_and_rejected_in_the_strict_profile() {
        let toml = "[rule.A9]\nenabled = false";
        let settings = read(toml, Profile::Production).unwrap();
        assert_eq!(settings.rules.disabled(), ["A9"]);
        let error = read(toml, Profile::Strict).unwrap_err();
        assert!(error.starts_with("alert.rule.A9.enabled is false"), "{error}");
    }

    #[test]
    fn invalid_alert_value_is_rejected_with_its_key() {
        let with = |from: &str, to: &str| CUSTOM.replace(from, to);
        for (toml, expect) in [
            (String::from("storm_keys = 0"), "alert.storm_keys is 0"),
            (String::from("digest = \"mon\""), "alert.digest is \"mon\": it is not \"DAY"),
            (
                String::from("digest = \"mon 08:00 UTC\""),
                "alert.digest is \"mon 08:00 UTC\": no channel sends mails",
            ),
            (String::from("resolve_after_s = 1"), "alert.resolve_after_s is 1"),
            (String::from("[rule.A99]\ncount = 1"), "alert.rule.A99 is set: there is no such rule"),
            (String::from("[rule.A2]\ncount = 0"), "alert.rule.A2.count is 0"),
            (String::from("[rule.A2]\nseverity = \"bad\""), "alert.rule.A2.severity is \"bad\""),
            (
                String::from("[rule.A2]\nthresholds = [{}, { count = 1 }]"),
                "alert.rule.A2.thresholds is longer: the rule has 1",
            ),
            (
                String::from("[rule.A3]\ncount = 1\nthresholds = [{}]"),
                "alert.rule.A3.thresholds is set: count, window_s",
            ),
            (
                String::from("[rule.A3]\nthresholds = [{}, { count = 0 }]"),
                "alert.rule.A3.thresholds.1.count is 0",
            ),
            (String::from("[rule.A11]\ncount = 5"), "alert.rule.A11 is set: its threshold 1"),
            (with("C1", "A2"), "alert.custom.name is \"A2\": another rule"),
            (with("C1", "a b"), "alert.custom.name is \"a b\""),
            (with("authz_fail", "authz"), "alert.custom.code is \"authz\""),
            (with("\"authz_fail\"", ""), "alert.custom.code is []"),
            (with("\"user\"", "\"who\""), "alert.custom.key is \"who\""),
            (with("3600", "0"), "alert.custom.window_s is 0"),
        ] {
            let error = read(&toml, Profile::Production).unwrap_err();
            assert!(error.starts_with(expect), "{toml}: {error}");
        }
    }
}

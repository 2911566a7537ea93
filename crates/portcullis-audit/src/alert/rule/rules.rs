//! A rule, its triggers, and the set of all rules in force.
//! Never: a rule that is left out without being named; see `Rules::disabled`.

use portcullis_model::{Code, CodeClass};

use super::condition::Condition;
use crate::alert::input::key::KeyKind;
use crate::alert::input::note::Text;
use crate::alert::notification::{AlertSeverity, AlertThreshold};

/// The party that causes the records of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Clients: any number of records, so messages have a budget.
    Clients,
    /// The server, its operators and privileged users.
    Service,
}

/// A value that a trigger counts different ones of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Variety {
    /// User names.
    Names,
    /// Address prefixes.
    Prefixes,
}

impl Variety {
    /// The word in alerts.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Names => "names",
            Self::Prefixes => "prefixes",
        }
    }

    /// The kind of key that it reads from a note.
    pub(crate) fn key(self) -> KeyKind {
        match self {
            Self::Names => KeyKind::Name,
            Self::Prefixes => KeyKind::Prefix,
        }
    }
}

/// The measure of the records of a key by a trigger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measure {
    /// The number of records.
    Count,
    /// The number of records, of at least so many different values (32 at most).
    CountOf(Variety, u64),
    /// The number of different values.
    Distinct(Variety),
    /// A state that lasts until a record of `ends`.
    Gauge,
    /// The first record of a privileged user from an address range.
    FirstPrefix,
    /// The first record of a code in 90 days.
    FirstCode,
}

/// One threshold of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trigger {
    /// What it counts, or the state that it reports, in words.
    pub(crate) text: String,
    /// Any of these.
    pub(crate) conditions: Vec<Condition>,
    /// The conditions that end the state of a gauge.
    pub(crate) ends: Vec<Condition>,
    pub(crate) key: KeyKind,
    pub(crate) measure: Measure,
    pub(crate) count: u64,
    pub(crate) window_s: u64,
    pub(crate) severity: AlertSeverity,
    /// The severity for privileged accounts.
    pub(crate) privileged: AlertSeverity,
}

impl Trigger {
    /// So many records of a key in a window.
    pub(crate) fn count(
        key: KeyKind,
        count: u64,
        window_s: u64,
        severity: AlertSeverity,
        conditions: Vec<Condition>,
    ) -> Self {
        let (measure, privileged) = (Measure::Count, severity);
        let (text, ends) = (String::new(), Vec::new());
        Self { text, conditions, ends, key, measure, count, window_s, severity, privileged }
    }

    /// With the words for what it counts.
    pub(crate) fn of(self, text: &str) -> Self {
        Self { text: String::from(text), ..self }
    }

    /// Whether it counts records.
    pub(crate) fn is_counting(&self) -> bool {
        match self.measure {
            Measure::Count | Measure::CountOf(..) | Measure::Distinct(_) => true,
            Measure::Gauge | Measure::FirstPrefix | Measure::FirstCode => false,
        }
    }

    /// As alerts have it; not reached.
    pub(crate) fn threshold(&self) -> AlertThreshold {
        AlertThreshold {
            text: self.text.clone(),
            count: self.is_counting().then_some((self.count, self.window_s)),
            severity: self.severity,
            reached: false,
        }
    }

    /// Whether it counts all records together, so that its count stays exact in a flood.
    pub(crate) fn counts_all(&self) -> bool {
        self.key == KeyKind::All && self.measure == Measure::Count
    }

    /// The texts of a note that it reads, as bits.
    pub(crate) fn texts(&self) -> u8 {
        let of_measure = match self.measure {
            Measure::CountOf(variety, _) | Measure::Distinct(variety) => variety.key().texts(),
            Measure::FirstPrefix => Text::User.bit(),
            Measure::Count | Measure::Gauge | Measure::FirstCode => 0,
        };
        // An operator needs the user also where the key is another one.
        self.key.texts() | of_measure
    }
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) cause: Cause,
    pub(crate) triggers: Vec<Trigger>,
}

impl Rule {
    /// The party that causes an alert with this key: any client can cause a rejection that was not
    /// seen before.
    pub(crate) fn cause_of(&self, key: Option<&str>) -> Cause {
        let is_first = self.triggers.iter().any(|one| one.measure == Measure::FirstCode);
        let mut codes = Code::ALL.iter().filter(|code| is_first && key == Some(code.name()));
        let of_clients =
            |code: &Code| matches!(code.class(), CodeClass::Rejection | CodeClass::Traffic);
        if codes.any(of_clients) { Cause::Clients } else { self.cause }
    }
}

/// All rules in force. At most 24 of our own and 32 of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    pub(crate) rules: Vec<Rule>,
    pub(crate) disabled: Vec<String>,
}

impl Rules {
    /// All triggers in order, each with its number and the number of its rule.
    pub(crate) fn triggers(&self) -> impl Iterator<Item = (usize, usize, &Trigger)> {
        let numbered = self.rules.iter().enumerate();
        let all =
            numbered.flat_map(|(rule, data)| data.triggers.iter().map(move |one| (rule, one)));
        all.enumerate().map(|(number, (rule, trigger))| (number, rule, trigger))
    }

    pub(crate) fn get(&self, rule: usize) -> Option<&Rule> {
        self.rules.get(rule)
    }

    /// The number of a rule.
    pub(crate) fn number(&self, id: &str) -> Option<usize> {
        self.rules.iter().position(|rule| rule.id == id)
    }

    /// The title of a rule.
    pub(crate) fn title(&self, id: &str) -> Option<&str> {
        self.rules.iter().find(|rule| rule.id == id).map(|rule| rule.title.as_str())
    }

    /// The thresholds of a rule, in their order; none for a rule that is gone.
    pub(crate) fn thresholds(&self, id: &str) -> Vec<AlertThreshold> {
        let rule = self.number(id).and_then(|number| self.get(number));
        rule.map(|rule| rule.triggers.iter().map(Trigger::threshold).collect()).unwrap_or_default()
    }

    /// The rules that the configuration disabled.
    #[must_use]
    pub fn disabled(&self) -> &[String] {
        &self.disabled
    }
}

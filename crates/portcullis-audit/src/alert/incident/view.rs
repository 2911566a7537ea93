//! An incident as channels and administrators get it.
//! Never: text of a client in a title.

use aws_lc_rs::digest::{SHA256, digest};
use portcullis_model::Reference;

use super::lifecycle::{Incident, Proof};
use crate::alert::notification::{
    Alert, AlertCounts, AlertKey, AlertOrigin, AlertState, AlertThreshold, Evidence, Suggestion,
};

/// Keys that one alert lists.
pub(crate) const GROUP_MAX: usize = 10;
/// The duration of a suggested block, in seconds.
const BLOCK_S: u64 = 3_600;
/// Digits of ids, in Crockford's alphabet.
const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Digits of the time, and of an id.
const TIME_DIGITS: u32 = 10;
const ID_DIGITS: u32 = 26;

/// The parts of an alert beside its incident.
#[derive(Debug)]
pub(crate) struct ViewParts<'a> {
    pub(crate) title: &'a str,
    pub(crate) node: &'a str,
    /// The newest signed note of the log.
    pub(crate) note: Option<String>,
    /// Unix time minus the engine's time, in milliseconds.
    pub(crate) skew_ms: i64,
    pub(crate) group: &'a [(AlertKey, u64)],
    /// The thresholds of the rule, in their order.
    pub(crate) thresholds: Vec<AlertThreshold>,
}

impl Incident {
    /// The alert in a state.
    pub(crate) fn view(&self, state: AlertState, parts: &ViewParts<'_>) -> Alert {
        let tally = &self.tally;
        let reached = |(index, threshold): (usize, &AlertThreshold)| AlertThreshold {
            reached: tally.reached.has(index),
            ..threshold.clone()
        };
        Alert {
            id: self.id.clone(),
            rule: self.rule.clone(),
            title: String::from(parts.title),
            severity: self.severity,
            state,
            key: self.key.clone(),
            counts: AlertCounts {
                events: tally.events,
                distinct: tally.distinct.into_iter().collect(),
                threshold: tally.threshold,
                thresholds: parts.thresholds.iter().enumerate().map(reached).collect(),
                first_unix_ms: tally.first_ms + parts.skew_ms,
                last_unix_ms: tally.last_ms + parts.skew_ms,
                reopened: self.reopened,
            },
            acknowledged: self.acknowledged.as_ref().map(|one| one.acknowledgement.clone()),
            group: parts.group.iter().take(GROUP_MAX).cloned().collect(),
            evidence: self.evidence.iter().map(Proof::view).collect(),
            suggest: self.suggest.clone(),
            origin: AlertOrigin {
                node: String::from(parts.node),
                fingerprint: fingerprint(&self.rule, self.key.as_ref()),
                test: false,
                note: parts.note.clone(),
            },
        }
    }
}

impl Proof {
    fn view(&self) -> Evidence {
        let reference = self.reference.as_deref();
        Evidence {
            sequence: self.sequence,
            reference: reference.and_then(|text| Reference::parse(text).ok()),
        }
    }
}

/// Equal for equal rule and key, on all nodes and after restarts.
pub(crate) fn fingerprint(rule: &str, key: Option<&AlertKey>) -> String {
    let (kind, value) = key.map_or(("", ""), |key| (key.kind, key.value.as_str()));
    let digest = digest(&SHA256, format!("pc1f\0{rule}\0{kind}\0{value}").as_bytes());
    digest.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// `al_` and 26 digits: 50 bits of the time, 80 random bits.
pub(crate) fn alert_id(unix_ms: i64, random: u128) -> String {
    let time = u128::from(u64::try_from(unix_ms).unwrap_or(0));
    let digit = |bits: u128| {
        let index = usize::try_from(bits & 31).unwrap_or(0);
        char::from(DIGITS.get(index).copied().unwrap_or(b'0'))
    };
    let times = (0..TIME_DIGITS).rev().map(|place| digit(time >> (5 * place)));
    let randoms = (0..ID_DIGITS - TIME_DIGITS).map(|place| digit(random >> (5 * place)));
    ['a', 'l', '_'].into_iter().chain(times).chain(randoms).collect()
}

/// Operations that would help against what a key stands for.
pub(crate) fn suggestions(rule: &str, key: Option<&AlertKey>) -> Vec<Suggestion> {
    match (rule, key) {
        (_, Some(key)) if key.kind == "prefix" => {
            vec![Suggestion::BlockAddress { prefix: key.value.clone(), duration_s: BLOCK_S }]
        }
        ("A1" | "A4" | "A5" | "F1" | "F2", Some(key)) if key.kind == "user" => {
            vec![Suggestion::EndSessions { user: key.value.clone() }]
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time_and_have_29_characters() {
        let earlier = alert_id(1_790_824_365_000, u128::MAX);
        let later = alert_id(1_790_824_365_001, 0);
        assert!(earlier < later, "{earlier} {later}");
        assert_eq!((earlier.len(), earlier.get(..3)), (29, Some("al_")));
    }

    #[test]
    fn fingerprint_is_equal_for_equal_rule_and_key() {
        let key = |value: &str| Some(AlertKey { kind: "name", value: String::from(value) });
        let of = |rule, value: &str| fingerprint(rule, key(value).as_ref());
        assert_eq!(of("A2", "ada"), of("A2", "ada"));
        assert_eq!(of("A2", "ada").len(), 16);
        assert_ne!(of("A2", "ada"), of("A2", "bob"));
        assert_ne!(of("A2", "ada"), of("A3", "ada"));
    }
}

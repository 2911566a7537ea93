//! One alert as a line of the state file.
//! Never: accepts a line that the encoder does not write.

use portcullis_model::Code;

use crate::alert::incident::lifecycle::{
    AcknowledgedState, Incident, LastMessage, Phase, Proof, ReachedThresholds, Tally,
};
use crate::alert::incident::view::suggestions;
use crate::alert::input::key::KINDS;
use crate::alert::notification::{Acknowledgement, AlertKey, AlertSeverity, AlertState};

/// The kinds of different values that an alert counts.
const DISTINCT: [&str; 4] = ["names", "prefixes", "keys", "rules"];
/// The text for "none".
const NONE: &str = "-";

/// The fields of a line, escaped and separated by tabs.
#[derive(Debug, Default)]
pub(crate) struct Line(String);

impl Line {
    pub(crate) fn new(kind: &str) -> Self {
        Self(String::from(kind))
    }

    /// Adds a text; an empty one and `-` are escaped, so that none is neither.
    pub(crate) fn text(mut self, text: &str) -> Self {
        self.0.push_str("\t=");
        for character in text.chars() {
            match character {
                '%' => self.0.push_str("%25"),
                '\t' => self.0.push_str("%09"),
                '\n' => self.0.push_str("%0a"),
                '\r' => self.0.push_str("%0d"),
                other => self.0.push(other),
            }
        }
        self
    }

    pub(crate) fn option(self, text: Option<&str>) -> Self {
        match text {
            Some(text) => self.text(text),
            None => self.value(NONE),
        }
    }

    /// Adds a number or a word of our own.
    pub(crate) fn value(mut self, value: impl std::fmt::Display) -> Self {
        use std::fmt::Write;
        let _ = write!(self.0, "\t{value}");
        self
    }

    pub(crate) fn maybe(self, value: Option<impl std::fmt::Display>) -> Self {
        match value {
            Some(value) => self.value(value),
            None => self.value(NONE),
        }
    }

    pub(crate) fn finish(mut self, state: &mut String) {
        self.0.push('\n');
        state.push_str(&self.0);
    }
}

/// Reads the fields of a line.
#[derive(Debug)]
pub(crate) struct Fields<'a>(std::str::Split<'a, char>);

impl<'a> Fields<'a> {
    pub(crate) fn of(line: &'a str) -> Self {
        Self(line.split('\t'))
    }

    pub(crate) fn word(&mut self) -> Option<&'a str> {
        self.0.next()
    }

    pub(crate) fn number<N: std::str::FromStr>(&mut self) -> Option<N> {
        self.word()?.parse().ok()
    }

    /// A number, or none; `None` when it is neither.
    pub(crate) fn maybe<N: std::str::FromStr>(&mut self) -> Option<Option<N>> {
        match self.word()? {
            NONE => Some(None),
            word => word.parse().ok().map(Some),
        }
    }

    pub(crate) fn option(&mut self) -> Option<Option<String>> {
        let word = self.word()?;
        if word == NONE {
            return Some(None);
        }
        let text = word.strip_prefix('=')?;
        let text = text.replace("%09", "\t").replace("%0a", "\n").replace("%0d", "\r");
        Some(Some(text.replace("%25", "%")))
    }

    pub(crate) fn text(&mut self) -> Option<String> {
        self.option()?
    }

    /// Whether all fields were read.
    pub(crate) fn end(&mut self) -> Option<()> {
        self.word().is_none().then_some(())
    }
}

pub(crate) fn severity(name: &str) -> Option<AlertSeverity> {
    AlertSeverity::ALL.into_iter().find(|severity| severity.name() == name)
}

fn maybe_severity(fields: &mut Fields<'_>) -> Option<Option<AlertSeverity>> {
    match fields.word()? {
        NONE => Some(None),
        word => severity(word).map(Some),
    }
}

/// Writes an alert.
pub(crate) fn encode(place: &str, incident: &Incident, state: &mut String) {
    let (tally, sent) = (&incident.tally, &incident.sent);
    let (kind, value) = match &incident.key {
        Some(key) => (Some(key.kind), Some(key.value.as_str())),
        None => (None, None),
    };
    let phase = match incident.phase {
        Phase::Open | Phase::Gauge => None,
        Phase::Resolved(since_ms) => Some(since_ms),
    };
    let times: Vec<String> = sent.times.iter().map(i64::to_string).collect();
    let acknowledged = incident.acknowledged.as_ref();
    let line = Line::new(place)
        .text(&incident.id)
        .text(&incident.rule)
        .maybe(kind)
        .option(value)
        .value(incident.severity.name())
        .maybe(phase)
        .value(tally.events)
        .maybe(tally.distinct.map(|(name, _)| name))
        .value(tally.distinct.map_or(0, |(_, count)| count))
        .value(tally.threshold.map_or(0, |(count, _)| count))
        .value(tally.threshold.map_or(0, |(_, window_s)| window_s))
        .value(tally.first_ms)
        .value(tally.last_ms)
        .value(tally.over_ms)
        .value(incident.reopened)
        .maybe(sent.state.map(AlertState::name))
        .value(sent.at_ms)
        .value(sent.events)
        .maybe(sent.severity.map(AlertSeverity::name))
        .value(sent.reopened)
        .text(&times.join(","))
        .option(acknowledged.map(|one| one.acknowledgement.by.as_str()))
        .text(acknowledged.map_or("", |one| one.acknowledgement.note.as_str()))
        .value(acknowledged.map_or(0, |one| one.acknowledgement.unix_ms))
        .value(acknowledged.map_or(0, |one| one.events))
        .maybe(acknowledged.map(|one| one.severity.name()))
        .value(incident.evidence.len());
    let line = incident.evidence.iter().fold(line, |line, proof| {
        line.value(proof.code.name()).option(proof.reference.as_deref()).maybe(proof.sequence)
    });
    line.value(tally.reached.0).finish(state);
}

/// Reads an alert, behind the word that names its place.
pub(crate) fn decode(fields: &mut Fields<'_>) -> Option<Incident> {
    let id = fields.text()?;
    let rule = fields.text()?;
    let kind = fields.word()?;
    let kind = KINDS.into_iter().find(|known| *known == kind);
    let value = fields.option()?;
    let key = match (kind, value) {
        (Some(kind), Some(value)) => Some(AlertKey { kind, value }),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => return None,
    };
    let severity = severity(fields.word()?)?;
    let phase = fields.maybe()?.map_or(Phase::Open, Phase::Resolved);
    let mut tally = decode_tally(fields)?;
    let reopened = fields.number()?;
    let sent = decode_sent(fields)?;
    let acknowledged = decode_acknowledged(fields)?;
    let evidence = decode_evidence(fields)?;
    // A line of an earlier build ends before it.
    if let Some(reached) = fields.word() {
        tally.reached = ReachedThresholds(reached.parse().ok()?);
    }
    fields.end()?;
    let suggest = suggestions(&rule, key.as_ref());
    Some(Incident {
        id,
        rule,
        key,
        severity,
        phase,
        tally,
        reopened,
        sent,
        acknowledged,
        evidence,
        suggest,
    })
}

fn decode_tally(fields: &mut Fields<'_>) -> Option<Tally> {
    let events = fields.number()?;
    let name = fields.word()?;
    let name = DISTINCT.into_iter().find(|known| *known == name);
    let count = fields.number()?;
    let threshold: (u64, u64) = (fields.number()?, fields.number()?);
    Some(Tally {
        events,
        distinct: name.map(|name| (name, count)),
        threshold: (threshold.0 > 0).then_some(threshold),
        first_ms: fields.number()?,
        last_ms: fields.number()?,
        over_ms: fields.number()?,
        ..Tally::default()
    })
}

fn decode_sent(fields: &mut Fields<'_>) -> Option<LastMessage> {
    let state = match fields.word()? {
        NONE => None,
        word => Some(AlertState::ALL.into_iter().find(|state| state.name() == word)?),
    };
    let (at_ms, events) = (fields.number()?, fields.number()?);
    let severity = maybe_severity(fields)?;
    let reopened = fields.number()?;
    let times = fields.text()?;
    let times = times.split(',').filter(|time| !time.is_empty());
    let times = times.map(|time| time.parse().ok()).collect::<Option<Vec<i64>>>()?;
    Some(LastMessage { state, at_ms, events, severity, reopened, times })
}

fn decode_acknowledged(fields: &mut Fields<'_>) -> Option<Option<AcknowledgedState>> {
    let by = fields.option()?;
    let note = fields.text()?;
    let (unix_ms, events) = (fields.number()?, fields.number()?);
    let severity = maybe_severity(fields)?;
    Some(by.zip(severity).map(|(by, severity)| AcknowledgedState {
        acknowledgement: Acknowledgement { by, note, unix_ms },
        events,
        severity,
    }))
}

fn decode_evidence(fields: &mut Fields<'_>) -> Option<Vec<Proof>> {
    let count: usize = fields.number()?;
    let mut evidence = Vec::new();
    for _ in 0..count.min(crate::alert::incident::lifecycle::EVIDENCE_MAX) {
        let name = fields.word()?;
        let code = Code::ALL.iter().copied().find(|code| code.name() == name);
        let (reference, sequence) = (fields.option()?, fields.maybe()?);
        // The monotonic clock began anew: the line is not searched again. A later version may have
        // removed a code.
        let proof = code.map(|code| Proof { code, at_ms: u64::MAX, reference, sequence });
        evidence.extend(proof);
    }
    Some(evidence)
}

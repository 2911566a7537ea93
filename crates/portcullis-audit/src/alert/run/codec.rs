//! The state of the engine as text: alerts, silences, what was seen; one a line.
//! Never: half a state; a text that is cut or changed is rejected as a whole.

use portcullis_model::{Code, FileFormat, FormatMatch, LaterFormat};

use super::codec_incident::{self, Fields, Line, severity};
use crate::alert::engine::evaluation::Engine;
use crate::alert::incident::silence::{Silence, SilenceRequest};
use crate::alert::input::key::KeyRef;
use crate::alert::notification::AlertSeverity;

/// The first line.
const FORMAT: FileFormat = FileFormat::new("portcullis-alerts\t", 1);

/// The fault of a state that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StateFault {
    /// A line, by its number.
    #[error("has an invalid line {0}")]
    Line(usize),
    /// A later version wrote it.
    #[error("has {0}")]
    Later(LaterFormat),
}

/// Writes the state.
pub(crate) fn encode(engine: &Engine) -> String {
    let mut state = format!("{FORMAT}\n");
    for incident in engine.incidents.by_key.values() {
        codec_incident::encode("alert", incident, &mut state);
    }
    for incident in engine.incidents.groups.values() {
        codec_incident::encode("group", incident, &mut state);
    }
    if let Some(incident) = &engine.storm.incident {
        codec_incident::encode("storm", incident, &mut state);
    }
    for silence in &engine.policy.silences {
        encode_silence(silence, &mut state);
    }
    for time in &engine.policy.budget.times {
        Line::new("sent").value(time).finish(&mut state);
    }
    let seen = &engine.counters.first_seen;
    for (hash, last_ms) in &seen.values {
        Line::new("seen").value(hash).value(last_ms).finish(&mut state);
    }
    for (code, last_ms) in &seen.codes {
        Line::new("code").value(code.name()).value(last_ms).finish(&mut state);
    }
    if let Some(since_ms) = seen.since_ms {
        Line::new("since").value(since_ms).finish(&mut state);
    }
    let lines = state.lines().count();
    Line::new("end").value(lines).finish(&mut state);
    state
}

fn encode_silence(silence: &Silence, state: &mut String) {
    let request = &silence.request;
    let key = request.key.as_ref();
    Line::new("silence")
        .value(silence.id)
        .option(request.rule.as_deref())
        .option(key.map(|(kind, _)| kind.as_str()))
        .option(key.map(|(_, value)| value.as_str()))
        .maybe(request.severity.map(AlertSeverity::name))
        .text(&request.reason)
        .text(&request.by)
        .value(request.until_unix_ms)
        .finish(state);
}

/// Puts a state into a new engine.
pub(crate) fn decode(state: &str, engine: &mut Engine) -> Result<(), StateFault> {
    let mut lines = state.lines().enumerate();
    match FORMAT.compare(lines.next().map_or("", |(_, line)| line)) {
        FormatMatch::Known => {}
        FormatMatch::Later(format) => return Err(StateFault::Later(format)),
        FormatMatch::Foreign => return Err(StateFault::Line(1)),
    }
    let mut ended = false;
    for (index, line) in lines {
        let fault = StateFault::Line(index + 1);
        let mut fields = Fields::of(line);
        let word = fields.word().ok_or(fault)?;
        if ended {
            return Err(fault);
        }
        if word == "end" {
            let count: usize = fields.number().ok_or(fault)?;
            ended = count == index;
            fields.end().ok_or(fault)?;
            continue;
        }
        decode_line(word, &mut fields, engine).ok_or(fault)?;
    }
    if !ended {
        return Err(StateFault::Line(state.lines().count()));
    }
    engine.resume();
    Ok(())
}

fn decode_line(word: &str, fields: &mut Fields<'_>, engine: &mut Engine) -> Option<()> {
    let seen = &mut engine.counters.first_seen;
    match word {
        "alert" => {
            let incident = codec_incident::decode(fields)?;
            // The configuration may have removed the rule.
            let Some(rule) = engine.rules.number(&incident.rule) else { return Some(()) };
            let hash = engine.hash(rule, KeyRef::of_key(incident.key.as_ref()));
            engine.incidents.add(hash, rule, incident);
            return Some(());
        }
        "group" => {
            let incident = codec_incident::decode(fields)?;
            if engine.rules.number(&incident.rule).is_some() {
                engine.incidents.groups.insert(incident.rule.clone(), incident);
            }
            return Some(());
        }
        "storm" => {
            engine.storm.incident = Some(codec_incident::decode(fields)?);
            return Some(());
        }
        "silence" => {
            let silence = decode_silence(fields)?;
            engine.policy.next_silence = engine.policy.next_silence.max(silence.id);
            engine.policy.silences.push(silence);
        }
        "sent" => engine.policy.budget.times.push_back(fields.number()?),
        "seen" => {
            seen.values.insert(fields.number()?, fields.number()?);
        }
        "code" => {
            let name = fields.word()?;
            let code = Code::ALL.iter().copied().find(|code| code.name() == name);
            let last_ms = fields.number()?;
            // A later version may have removed a code.
            seen.codes.extend(code.map(|code| (code, last_ms)));
        }
        "since" => seen.since_ms = Some(fields.number()?),
        _ => return None,
    }
    fields.end()
}

fn decode_silence(fields: &mut Fields<'_>) -> Option<Silence> {
    let id = fields.number()?;
    let rule = fields.option()?;
    let (kind, value) = (fields.option()?, fields.option()?);
    let severity = match fields.word()? {
        "-" => None,
        word => Some(severity(word)?),
    };
    let (reason, by) = (fields.text()?, fields.text()?);
    let until_unix_ms = fields.number()?;
    let key = kind.zip(value);
    Some(Silence { id, request: SilenceRequest { rule, key, severity, reason, by, until_unix_ms } })
}

//! Slopes from the metrics of a running server, in place of those of the benchmarks.
//! Never: a slope of too few connections or messages; a note says what was missing.

use super::metrics_text::ServerFacts;
use super::slopes::{Costs, MEMORY, SlopeSource, Slopes};
use super::workload::Workload;

/// With fewer connections, the other memory of the server decides.
const CONNECTIONS_MIN: f64 = 500.0;
/// With fewer messages in the interval, other work of the server decides.
const MESSAGES_MIN: f64 = 500.0;
/// Fewer commits do not show what one takes.
const COMMITS_MIN: f64 = 50.0;

/// Two answers of the metrics, and the time between them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Interval {
    pub(crate) facts: ServerFacts,
    pub(crate) seconds: f64,
}

/// The time of a commit on the disk of a running server, in microseconds.
pub(crate) fn commit_us(facts: &ServerFacts) -> Option<f64> {
    (facts.commits >= COMMITS_MIN).then(|| facts.commit_s / facts.commits * 1e6)
}

/// Replaces the memory of a connection by that of the server; the note says why not.
pub(crate) fn apply_memory(slopes: &mut Slopes, facts: &ServerFacts) -> Result<(), String> {
    let open = facts.connections_open;
    if open < CONNECTIONS_MIN {
        return Err(format!(
            "the running server has {open} connections: its memory for each of them shows from \
             {CONNECTIONS_MIN} on"
        ));
    }
    let bytes = ((facts.resident_bytes - slopes.base_bytes) / open).max(0.0);
    slopes.connection_bytes = bytes;
    slopes.replace_source(SlopeSource {
        slope: MEMORY,
        value: bytes / 1024.0,
        unit: "KiB",
        from: format!(
            "the running server: {:.0} MiB for {open} connections",
            facts.resident_bytes / 1024.0 / 1024.0
        ),
    });
    Ok(())
}

/// Scales all processor times so that they give the time that the server has used; the note says
/// why not.
pub(crate) fn apply_processor(
    slopes: &mut Slopes,
    interval: &Interval,
    load: &Workload,
    ping_interval_ms: u64,
) -> Result<(), String> {
    let Interval { facts, seconds } = interval;
    if facts.messages < MESSAGES_MIN {
        return Err(format!(
            "the running server got {} messages in {seconds:.0} s: its processor time for each of \
             them shows from {MESSAGES_MIN} on; measure longer, or in a busy hour",
            facts.messages
        ));
    }
    let expected_us = expected_us(&slopes.single, slopes.connect_us, interval, load)
        + facts.connections_open * seconds * 1_000.0 / ping_interval_ms.max(1) as f64
            * slopes.single.ping();
    let factor = facts.cpu_s * 1e6 / expected_us;
    slopes.single = slopes.single.scaled(factor);
    slopes.batched = slopes.batched.scaled(factor);
    slopes.connect_us *= factor;
    slopes.replace_source(SlopeSource {
        slope: "processor time",
        value: factor,
        unit: "times that of the figures for one at a time",
        from: format!(
            "the running server: {:.2} s for {} messages and {} deliveries in {seconds:.0} s",
            facts.cpu_s, facts.messages, facts.deliveries
        ),
    });
    Ok(())
}

/// The processor time that the slopes give for the work of the interval, without pings.
fn expected_us(costs: &Costs, connect_us: f64, interval: &Interval, load: &Workload) -> f64 {
    let facts = &interval.facts;
    let frames = 2.0 * facts.messages + facts.deliveries;
    facts.connections_total * connect_us
        + facts.messages * (costs.message_us + load.stored() * costs.stored_us)
        + facts.deliveries * costs.delivery_us(load.members)
        + frames * costs.frame_us
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capacity::figures::Figures;
    use crate::capacity::slopes::Encryption;

    const LOAD: Workload = Workload {
        connections: None,
        messages: None,
        members: 10,
        stored_percent: 0.0,
        text_bytes: 100,
    };

    fn slopes() -> Slopes {
        Slopes::read(&Figures::read().unwrap(), Encryption::Off).unwrap()
    }

    #[test]
    fn memory_of_a_connection_is_that_of_the_running_server() {
        let mut slopes = slopes();
        let before = slopes.clone();
        let few = ServerFacts { connections_open: 499.0, ..ServerFacts::default() };
        assert!(apply_memory(&mut slopes, &few).unwrap_err().contains("499 connections"));
        assert_eq!(slopes, before, "too few connections change nothing");
        let resident_bytes = slopes.base_bytes + 1_000.0 * 20_480.0;
        let facts = ServerFacts { connections_open: 1_000.0, resident_bytes, ..few };
        apply_memory(&mut slopes, &facts).unwrap();
        assert!((slopes.connection_bytes - 20_480.0).abs() < 1e-6, "{slopes:?}");
        let sources = slopes.sources.iter().filter(|source| source.slope == MEMORY);
        assert_eq!(sources.map(|source| source.value.round()).collect::<Vec<_>>(), [20.0]);
    }

    #[test]
    fn processor_times_are_scaled_to_the_time_that_was_used() {
        let mut slopes = slopes();
        let before = slopes.clone();
        let facts = ServerFacts {
            messages: 1_000.0,
            deliveries: 10_000.0,
            connections_open: 100.0,
            ..ServerFacts::default()
        };
        let costs = &before.single;
        // 100 connections with a ping in 10 s, for 20 s.
        let us =
            1_000.0 * costs.message_us + 10_000.0 * costs.delivery_us(10) + 200.0 * costs.ping();
        let interval = Interval { facts: ServerFacts { cpu_s: us * 3e-6, ..facts }, seconds: 20.0 };
        apply_processor(&mut slopes, &interval, &LOAD, 10_000).unwrap();
        let ratio = slopes.single.message(&LOAD) / before.single.message(&LOAD);
        assert!((ratio - 3.0).abs() < 1e-9, "{ratio}");
        let ratio = slopes.batched.stored_us / before.batched.stored_us;
        assert!((ratio - 3.0).abs() < 1e-9, "{ratio}");
        let mut unchanged = before.clone();
        let few = ServerFacts { messages: 499.0, ..interval.facts };
        let few = Interval { facts: few, ..interval };
        assert!(apply_processor(&mut unchanged, &few, &LOAD, 10_000).is_err());
        assert_eq!(unchanged, before);
    }

    #[test]
    fn time_of_a_commit_needs_some_commits() {
        let facts = ServerFacts { commits: 50.0, commit_s: 0.1, ..ServerFacts::default() };
        assert_eq!(commit_us(&facts), Some(2_000.0));
        assert_eq!(commit_us(&ServerFacts { commits: 49.0, ..facts }), None);
    }
}

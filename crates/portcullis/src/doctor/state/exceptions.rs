//! D12: exceptions that were meant for a while: observe mode, pins, silences, long blocks.
//! Never: an exception that ends within a day; it was made on purpose.

use portcullis_admin::{CheckBuilder, LiveFacts};
use portcullis_audit::utc;
use portcullis_model::limits::BLOCKS_MAX;
use portcullis_store::{BlockRow, BlockStore, SqliteOperatorStore};

use crate::block_on::block_on;
use crate::config::Settings;
use crate::doctor::examination::Examination;

const DAY_MS: i64 = 24 * 60 * 60_000;
/// Exceptions with a later end are reported.
const SOON_MS: i64 = DAY_MS;
/// Blocks with a later end are reported: addresses change hands.
const BLOCK_MS: i64 = 7 * DAY_MS;

/// Checks all exceptions.
pub(in crate::doctor) fn check(examination: &Examination<'_>, check: &mut CheckBuilder) {
    let now_unix_ms = examination.now.unix_ms;
    check_settings(examination.settings, check);
    match examination.facts() {
        Some(facts) => check_facts(facts, now_unix_ms, check),
        None => check.skip(format!("pins and silences: {}", examination.why_no_facts())),
    }
    let database = &examination.settings.storage.database;
    if !database.exists() {
        check.skip("blocks: the server was never started with this data directory");
        return;
    }
    let blocks = SqliteOperatorStore::open(database, None, "the regular audit")
        .map_err(anyhow::Error::from)
        .and_then(|store| Ok(block_on(store.list_blocks(now_unix_ms))??));
    match blocks {
        Ok(blocks) => check_blocks(&blocks, now_unix_ms, check),
        Err(error) => check.skip(format!("blocks: the database cannot be read: {error:#}")),
    }
}

fn check_settings(settings: &Settings, check: &mut CheckBuilder) {
    for name in &settings.gate.observe {
        let found = format!("the limit {name} is in observe mode: it counts and rejects nothing");
        let remedy = format!("remove {name} from rate.observe when you have seen its counts");
        check.warn(&format!("observe {name}"), found, remedy);
    }
    if let Some(state) = settings.gate.load {
        let found = format!("overload.state pins the load level to {}", state.name());
        let remedy = "set overload.state = \"auto\": the server then sheds load when it has to";
        check.warn("overload.state", found, remedy);
    }
    check.fact(format!("{} limits in observe mode", settings.gate.observe.len()));
}

fn check_facts(facts: &LiveFacts, now_unix_ms: i64, check: &mut CheckBuilder) {
    match facts.pin {
        Some((state, None)) => {
            let found = format!("the load level is pinned to {state}, without an end");
            check.warn("pin", found, "run portcullis state pin auto");
        }
        Some((state, Some(rest_ms))) if rest_ms > SOON_MS.unsigned_abs() => {
            let hours = rest_ms / 3_600_000;
            let found = format!("the load level is pinned to {state} for {hours} hours more");
            check.warn("pin", found, "run portcullis state pin auto, unless it is still needed");
        }
        Some((state, Some(_))) => check.fact(format!("load level pinned to {state} for a while")),
        None => check.fact("no pin"),
    }
    for (id, request) in &facts.silences {
        let until = utc(request.until_unix_ms);
        let rule = request.rule.as_deref().unwrap_or("all rules");
        if request.until_unix_ms - now_unix_ms > SOON_MS {
            let found = format!("alerts of {rule} are silenced until {until}");
            let remedy = "end the silence on the dashboard, unless it is still needed";
            check.warn(&format!("silence {id}"), found, remedy);
        } else {
            check.fact(format!("alerts of {rule} are silenced until {until}"));
        }
    }
}

fn check_blocks(blocks: &[BlockRow], now_unix_ms: i64, check: &mut CheckBuilder) {
    let long = blocks.iter().filter(|block| block.until_unix_ms - now_unix_ms > BLOCK_MS).count();
    if long > 0 {
        let found = format!("{long} blocks of networks end in more than 7 days");
        let remedy = "portcullis block list: remove blocks whose networks have other users by now";
        check.warn("long blocks", found, remedy);
    }
    if blocks.len() * 10 > BLOCKS_MAX * 9 {
        let found = format!("{} of {BLOCKS_MAX} possible blocks are in use", blocks.len());
        check.warn("many blocks", found, "block wider networks, or remove old blocks");
    }
    check.fact(format!("{} blocks of networks", blocks.len()));
}

#[cfg(test)]
mod tests {
    use portcullis_admin::CheckId;
    use portcullis_audit::SilenceRequest;
    use portcullis_model::BlockScope;

    use super::*;

    fn keys(run: impl FnOnce(&mut CheckBuilder)) -> Vec<String> {
        let mut check = CheckBuilder::new(CheckId::D12);
        run(&mut check);
        check.finish().findings.into_iter().map(|finding| finding.key).collect()
    }

    #[test]
    fn t409_d12_exceptions_without_a_near_end_are_found() {
        let silence = |until_unix_ms| SilenceRequest { until_unix_ms, ..SilenceRequest::default() };
        let facts = |pin, until| LiveFacts {
            pin,
            silences: vec![(7, silence(until))],
            ..LiveFacts::default()
        };
        for (facts, expect) in [
            (facts(None, DAY_MS), vec![]),
            (facts(Some(("normal", Some(3_600_000))), DAY_MS), vec![]),
            (facts(Some(("normal", None)), DAY_MS), vec!["D12 pin"]),
            (facts(Some(("normal", Some(86_400_001))), 0), vec!["D12 pin"]),
            (facts(None, DAY_MS + 1), vec!["D12 silence 7"]),
        ] {
            assert_eq!(keys(|check| check_facts(&facts, 0, check)), expect, "{facts:?}");
        }
        let block = |until_unix_ms| BlockRow {
            prefix: String::from("203.0.113.0/24"),
            scope: BlockScope::All,
            reason: String::new(),
            by: String::new(),
            created_unix_ms: 0,
            until_unix_ms,
        };
        for (blocks, expect) in [
            (vec![block(BLOCK_MS)], vec![]),
            (vec![block(BLOCK_MS + 1), block(i64::MAX)], vec!["D12 long blocks"]),
            (vec![block(1); BLOCKS_MAX], vec!["D12 many blocks"]),
        ] {
            assert_eq!(keys(|check| check_blocks(&blocks, 0, check)), expect);
        }
    }
}

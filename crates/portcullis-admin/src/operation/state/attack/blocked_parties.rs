//! The parties of an attack that a block rejects already, and those that no block concerns.
//! Never: a block that covers only a part of a network.

use std::collections::BTreeMap;

use ipnet::IpNet;
use portcullis_audit::utc;
use portcullis_model::{BlockScope, Now};
use portcullis_server::{PartyKind, RejectedParty, Services};

/// A block in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ActiveBlock {
    pub(crate) network: IpNet,
    pub(crate) scope: BlockScope,
    /// The end, in RFC 3339, and in words.
    pub(crate) until: String,
    pub(crate) until_words: String,
    /// Seconds until then.
    pub(crate) rest_s: u64,
}

/// The parties of an attack, by whether they are blocked.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct BlockedParties {
    /// Users and origins, and networks that no block covers.
    pub(crate) open: Vec<RejectedParty>,
    /// The blocks that reject networks of the attack, and the share of their rejections.
    pub(crate) blocks: Vec<(ActiveBlock, f64)>,
}

impl BlockedParties {
    /// Divides parties by blocks that cover networks among them.
    pub(crate) fn divide(parties: &[RejectedParty], known: &[ActiveBlock]) -> Self {
        let mut divided = Self::default();
        let mut shares: BTreeMap<usize, f64> = BTreeMap::new();
        for party in parties {
            let network = Some(party).filter(|party| party.kind == PartyKind::Prefix);
            let network = network.and_then(|party| party.value.parse::<IpNet>().ok());
            let covers = |block: &ActiveBlock| {
                network.is_some_and(|network| block.network.contains(&network))
            };
            let covering = (0..).zip(known).filter(|(_, block)| covers(block));
            // A block of all clients applies before others.
            let covering = covering.max_by_key(|(_, block)| block.scope == BlockScope::All);
            match covering.map(|(index, _)| index) {
                Some(index) => *shares.entry(index).or_default() += party.share,
                None => divided.open.push(party.clone()),
            }
        }
        let block = |(index, share)| Some((known.get::<usize>(index)?.clone(), share));
        divided.blocks = shares.into_iter().filter_map(block).collect();
        divided.blocks.sort_by(|one, other| other.1.total_cmp(&one.1));
        divided
    }

    /// The share of all rejections that blocked networks cause, from 0 to 1.
    pub(crate) fn share(&self) -> f64 {
        self.blocks.iter().map(|(_, share)| share).sum::<f64>().min(1.0)
    }
}

/// The blocks that cover networks among the parties.
pub(crate) fn active_blocks(
    services: &Services,
    parties: &[RejectedParty],
    now: Now,
) -> Vec<ActiveBlock> {
    let mut found: Vec<ActiveBlock> = Vec::new();
    for party in parties.iter().filter(|party| party.kind == PartyKind::Prefix) {
        let Some(block) = active_block(services, party, now) else { continue };
        if !found.contains(&block) {
            found.push(block);
        }
    }
    found
}

/// The block that covers the network of a party.
pub(crate) fn active_block(
    services: &Services,
    party: &RejectedParty,
    now: Now,
) -> Option<ActiveBlock> {
    block_covering(services, party.value.parse().ok()?, now)
}

/// The block that covers a network.
pub(crate) fn block_covering(services: &Services, network: IpNet, now: Now) -> Option<ActiveBlock> {
    let facts = services.directory.blocks().covering(network, now)?;
    let (until, today) = (utc(facts.until_unix_ms), utc(now.unix_ms));
    let (day, time) = until.split_once('T')?;
    let day = if today.starts_with(day) { String::new() } else { format!("{day} ") };
    let until_words = format!("{day}{} UTC", time.get(..5)?);
    let rest_ms = facts.until_unix_ms - now.unix_ms;
    Some(ActiveBlock {
        network: facts.network.network(),
        scope: facts.scope,
        until_words,
        rest_s: u64::try_from(rest_ms / 1_000).unwrap_or_default(),
        until,
    })
}

//! Runs a drill: first the proof, then all cases in their order.
//! Never: a case before the target has proven that it is the operator's server.

use std::net::IpAddr;

use anyhow::{Result, bail};

use super::cases::GROUPS;
use super::client::answer::Answer;
use super::client::attacker::{Attacker, FirstProof};
use super::report::result::CaseResult;

/// Requests the proof of the target; an error says why no attack is sent.
///
/// Returns the address of the drill, as the server saw it.
pub(crate) fn require_proof(attacker: &mut Attacker<'_>) -> Result<Option<IpAddr>> {
    const CAUSES: &str = "no attack was sent. Check that the address is that of this server, that \
                          the proxy forwards /.well-known/portcullis-drill and Host to it, and \
                          that --config and --data are those of the server";
    let target = format!("{} ({})", attacker.target.origin, attacker.target.address);
    match attacker.first_proof() {
        Ok(FirstProof { is_proven: true, challenge, .. }) => {
            attacker.first_address = attacker.address_of(&challenge).ok().flatten();
            Ok(attacker.first_address)
        }
        Ok(FirstProof { answer: Answer::Response(response), .. }) if response.status == 200 => {
            bail!("{target} answers without the right proof: it is another server; {CAUSES}")
        }
        Ok(FirstProof { answer, .. }) => {
            bail!("{target} does not prove that it is this server: {}; {CAUSES}", answer.words())
        }
        Err(obstacle) => bail!("{target} cannot be reached: {}; {CAUSES}", obstacle.why()),
    }
}

/// Runs all cases; each result is passed on at once.
pub(crate) fn run_cases(
    attacker: &mut Attacker<'_>,
    mut report: impl FnMut(&CaseResult) -> Result<()>,
) -> Result<Vec<CaseResult>> {
    let mut results = Vec::new();
    for group in GROUPS {
        for case in group.cases {
            let result = CaseResult::new(group.name, case, (case.run)(attacker));
            report(&result)?;
            results.push(result);
        }
    }
    Ok(results)
}

//! The report of a drill: its content, as text, and as files in JSON and HTML.
//! Never: a token, a key of the drill, or text of the target that is not bounded.

pub(crate) mod result; // the result of a case and of the drill
pub(crate) mod text; // lines for a terminal
pub(crate) mod html; // one page without scripts
pub(crate) mod files; // both files in a directory

/// Titles of the lists of alerts: of the drill, without an address, of other addresses.
const OF_DRILL: &str = "Alerts about the address of the drill";
const OF_ANYONE: &str = "Alerts about no address, of the drill or of other clients";
const OF_OTHERS: &str = "Alerts about other addresses, not listed";

/// The notice of a drill that had to end before all cases were tried.
fn not_reached(report: &result::DrillReport) -> Option<String> {
    let (not_reached, all) = (report.not_reached, report.cases.len());
    (not_reached > 0).then(|| {
        format!(
            "{not_reached} of {all} cases were not tried, because the drill used up its time or \
             its connections: a target that answers slowly proves nothing. Find the cause, and \
             run it again"
        )
    })
}

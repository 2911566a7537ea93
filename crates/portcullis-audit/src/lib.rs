//! Security records: ECS JSON lines through a bounded queue.
//! Never: decisions.

mod audit; // the handle that the other crates record through
mod live_log; // the log on the disk: sampling, queue, and the threads behind it
mod memory_log; // the log of a test: lines in memory
mod options; // the files, the queue limits, the retention
mod record; // one record: its fields, its group, its line of JSON
mod sampling; // which records of rejected requests are kept
mod queue; // bounded queues between recording threads and the writer thread
mod writer; // the thread that writes lines
mod clock_trust; // whether the clock can say that files are old
mod files; // files on the disk: the open one, closed ones, the reserve
mod read; // reads all files of the log: lines, followed lines, references
mod syslog; // forwards the lines to a syslog server over TLS
mod chain; // proof that no line was changed, removed or added later
mod alert; // rules over records, and notifications for administrators
mod output; // standard output and standard error, whose readers can be slow
#[cfg(test)]
mod tests; // the log as a whole, with faults of the disk

pub use alert::incident::silence::{Silence, SilenceError, SilenceRequest};
pub use alert::input::subject::{Conduct, Device, Privilege, SessionCookie, Subject};
pub use alert::notification::{
    Acknowledgement, Alert, AlertCounts, AlertKey, AlertOrigin, AlertSeverity, AlertState,
    AlertThreshold, Evidence, Suggestion,
};
pub use alert::options::AlertOptions;
pub use alert::rule::builtin::ADMIN_ROLE;
pub use alert::rule::overrides::{
    CUSTOM_RULES_MAX, CustomRule, RuleError, RuleOverride, RuleSummary, ThresholdOverride,
    ThresholdSummary, key_names, rule_names,
};
pub use alert::rule::rules::Rules;
pub use alert::run::alerts::{AlertEngineCounts, Alerts};
pub use alert::run::records::clock_step;
pub use alert::sink::{AlertSink, SinkOutcome};
pub use audit::Audit;
pub use chain::erase::{Erasure, ErasureError, ErasureFile, ErasureSubject};
pub use chain::files::later_chain_format;
pub use chain::hash::ChainHash;
pub use chain::key::{KeyError, VerifierKey};
pub use chain::note::{Note, NoteError, SignedNote};
pub use chain::start::ChainOptions;
pub use chain::verify::{
    Finding, FindingKind, ProofGap, Verdict, Verifier, VerifyError, VerifyOptions, VerifyReport,
    root_keys, verify_files, verify_log, verify_log_since,
};
pub use clock_trust::clock_path;
pub use live_log::AuditCounts;
pub use options::{AuditError, AuditOptions};
pub use output::Output;
pub use read::follower::{Follower, NumberedLine};
pub use read::line_reader::{LINE_MAX_BYTES, LineEnd, LineReader, LogLine};
pub use read::line_text::{line_sequence, line_time};
pub use read::log_files::{LogFile, count_old_renamed_files, is_log_name, list_log_files};
pub use read::newest_time::newest_time;
pub use read::reference::find_reference;
pub use record::address::AddressForm;
pub use record::encode::is_personal_label;
pub use record::fields::{Outcome, Record};
pub use record::timestamp::{parse_utc, utc};
pub use syslog::options::{SyslogError, SyslogOptions, SyslogTarget, syslog_tls};
pub use syslog::sender::Syslog;
pub use syslog::status::SyslogCounts;
pub use writer::status::LogState;

//! Alerts for administrators, through the channels that they choose, and their operations.
//! Never: a decision about a client; a wait of the part that reports an alert.

mod channel; // the channels: options, workers, monitors, tests
mod spool; // messages that are not delivered yet
mod transport; // from a message to its receiver
mod message; // an alert as text and JSON
mod search; // searches of the security log
mod operation; // operations of administrators
mod self_audit; // the regular audit
mod digest; // the weekly digest

pub use channel::channels::{ChannelCounts, ChannelState, Channels};
pub use channel::delivered::{note_delivery, read_deliveries};
pub use channel::letters::send_letter;
pub use channel::monitor::{Monitor, MonitorOptions};
pub use channel::options::{ChannelOptions, Transport};
pub use channel::quiet::{QuietError, QuietHours};
pub use channel::shared::ChannelFiles;
pub use channel::trial::{TrialResult, send_monitor_trial, send_trial};
pub use digest::run::{Digest, DigestOptions, digest_id, write_digest};
pub use digest::time::{DigestTime, DigestTimeError};
pub use message::shape::Shape;
pub use operation::desk::{Desk, StoredState};
pub use operation::install::install_operations;
pub use operation::people::invitation_maker::{InvitationMaker, MakeSecret, PageAddress};
pub use search::filter::{RecordConditions, RecordFilter, parse_network};
pub use search::period::Period;
pub use self_audit::acceptance::{ACCEPTED_MAX_MS, Acceptance, AcceptedFinding};
pub use self_audit::check::{AuditFinding, Check, CheckResult, FindingSeverity};
pub use self_audit::check_builder::{CheckBuilder, KEY_MAX_BYTES as FINDING_KEY_MAX_BYTES};
pub use self_audit::check_id::CheckId;
pub use self_audit::live::LiveFacts;
pub use self_audit::report::{AuditCause, AuditMeasures, AuditReport, ResultCounts};
pub use self_audit::report_files::ReportFiles;
pub use self_audit::run::{Examine, SelfAudit, SelfAuditOptions};
pub use transport::admin_sockets::AdminSockets;
pub use transport::command::{Program, RUN_PROGRAM};
pub use transport::mail::{Mail, MailAddressError, MailAddresses, MailLogin};
pub use transport::mail_stream::MailEncryption;
pub use transport::program_runner::run_program;
pub use transport::signature::{SecretError, WebhookSecrets};
pub use transport::webhook::{Webhook, WebhookSecret};

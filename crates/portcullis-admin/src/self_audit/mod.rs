//! The regular audit: its report, its run each night, its findings until they are mended.
//! Never: a check of its own; the caller passes the function that examines the server.

pub(crate) mod check_id; // the checks D1 to D14
pub(crate) mod check; // the result of one check, and its findings
pub(crate) mod check_builder; // collects what a check finds
pub(crate) mod acceptance; // findings that the operator accepts for a while
pub(crate) mod report; // all checks of one run, within a bound
pub(crate) mod report_text; // a report for an operator at a terminal
pub(crate) mod report_files; // the last 30 reports
pub(crate) mod live; // facts that only the running server knows
pub(crate) mod changes; // new and mended findings: records and alerts
pub(crate) mod schedule; // the time of the nightly run
pub(crate) mod run; // runs the audit in the server
pub(crate) mod doctor; // `admin:doctor`

//! `portcullis drill`: attack cases against the operator's own deployment, and their report.
//! Never: an attack on a target that has not proven that it is the operator's server.

pub(crate) mod proof; // the proof of a target, for the server and the command
pub(crate) mod client; // raw requests, frames and TLS to the target
pub(crate) mod cases; // the attack cases, a file for each subject
pub(crate) mod report; // the report as text, JSON and HTML
pub(crate) mod run; // the proof, then all cases within their bounds

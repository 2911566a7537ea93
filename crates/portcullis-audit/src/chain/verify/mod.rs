//! Verification of a log: each line, each signed note, each certificate, from a key on.
//! Never: trust in a file; an attacker who changes the log can change every file beside it.

mod finding; // one fault of a log
pub(crate) mod members; // members of a line that the verifier needs
mod keys; // the signing key of each epoch, from the root key on
mod order; // numbers and hashes of lines in their order
mod statements; // notes, certificates, removed and erased lines
mod report; // the result
mod verifier; // the lines of all files
mod files; // all files of a log in their order
#[cfg(test)]
mod tests; // attacks with write access to the files

pub use files::{VerifyError, verify_files, verify_log, verify_log_since};
pub use finding::{Finding, FindingKind};
pub use keys::root_keys;
pub(crate) use members::{ChainRecord, Members, label};
pub use report::{ProofGap, Verdict, VerifyReport};
pub use verifier::{Verifier, VerifyOptions};

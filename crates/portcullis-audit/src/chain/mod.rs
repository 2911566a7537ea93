//! The hash chain: proof that no line of the log was changed, removed or added later.
//! Never: proof against the owner of the machine from now on; only of what is written and signed.

pub(crate) mod hash; // hashes of lines
pub(crate) mod line; // the members of a line that connect it with the lines before
pub(crate) mod key; // signing keys and the public keys that verify them
pub(crate) mod note; // signed statements about the log up to one line
pub(crate) mod epoch; // the certificate of the next signing key
pub(crate) mod salts; // random bytes for commitments
pub(crate) mod state; // the stored state that continues a log
pub(crate) mod files; // the files of state and certificates
pub(crate) mod runtime; // the chain of a running log
pub(crate) mod start; // continues the chain of an earlier process
pub(crate) mod verify; // verification of a log by an operator
pub(crate) mod erase; // personal parts that are erased without breaking the chain

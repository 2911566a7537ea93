//! The access of operators' programs to the private listener: from this machine, with the key.
//! Never: a request that a page in an operator's browser could send.

use std::net::SocketAddr;
use std::sync::Arc;

use portcullis_model::{Now, Secret};
use portcullis_wire::http1::{FieldValue, Head};

use crate::admin::host::Rejection;
use crate::admin::private::Private;
use crate::setup::operator_keys::{OperatorKeys, ProofError};
use crate::setup::operator_proof::{OperatorAnswer, OperatorProof};

/// A header that a page cannot send to another origin without a preflight.
const OPERATOR_HEADER: &str = "x-portcullis-operator";

const NO_KEY: Rejection =
    (403, "the request has no valid key: use the portcullis command, which reads the key");
/// The regular audit (D14) distinguishes this rejection from that of a missing key.
const FROM_PAGE: Rejection =
    (403, "the request has the header Origin, as those of a page: use the portcullis command");
const OTHER_MACHINE: Rejection =
    (403, "the request is not from this machine: send it on the machine of the server");

/// A program of the operator, which has the key.
pub(crate) enum OperatorProgram<'h> {
    /// It has sent the key, or the server needs none.
    Key,
    /// It has proven the key for this request, which it can send once; the answer is proven too.
    Proof { keys: &'h OperatorKeys, key: Arc<Secret<String>>, proof: OperatorProof<'h> },
}

impl OperatorProgram<'_> {
    /// Accepts the request, if its proof is current and was not used before.
    pub(crate) fn accept(&self, now: Now) -> Result<(), ProofError> {
        match self {
            Self::Key => Ok(()),
            Self::Proof { keys, proof, .. } => keys.accept(proof, now),
        }
    }

    /// Whether the key was shown or proven for this body.
    pub(crate) fn covers(&self, body: &[u8]) -> bool {
        match self {
            Self::Key => true,
            Self::Proof { proof, .. } => proof.covers(body),
        }
    }

    /// The proof of an answer, for a program that has sent one.
    pub(crate) fn prove_answer(&self, status: u16, body: &str) -> Option<String> {
        match self {
            Self::Key => None,
            Self::Proof { key, proof, .. } => {
                let body = body.as_bytes();
                Some(OperatorAnswer { nonce: &proof.nonce, status, body }.prove(key))
            }
        }
    }
}

impl Private {
    /// Checks that a request comes from a program on this machine with a key of the data directory.
    /// The `Host` was checked before.
    pub(crate) fn check_program<'h>(
        &'h self,
        head: &Head<'h>,
        peer: SocketAddr,
    ) -> Result<OperatorProgram<'h>, Rejection> {
        if !matches!(head.header("origin"), FieldValue::None) {
            return Err(FROM_PAGE);
        }
        // A page cannot send the header to another origin.
        let FieldValue::One(shown) = head.header(OPERATOR_HEADER) else { return Err(NO_KEY) };
        if !peer.ip().to_canonical().is_loopback() {
            return Err(OTHER_MACHINE);
        }
        let Some(keys) = &self.server.options.operator_keys else {
            return Ok(OperatorProgram::Key);
        };
        if keys.knows(shown) {
            return Ok(OperatorProgram::Key);
        }
        let proof = OperatorProof::parse(shown).ok_or(NO_KEY)?;
        let key = keys.key_of(&proof, head.method, head.target).ok_or(NO_KEY)?;
        Ok(OperatorProgram::Proof { keys, key, proof })
    }
}

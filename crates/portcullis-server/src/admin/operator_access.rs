//! The access of operators' programs to the private listener: from this machine, with the key.
//! Never: a request that a page in an operator's browser could send.

use std::net::SocketAddr;

use portcullis_wire::http1::{FieldValue, Head};

use crate::admin::host::Rejection;
use crate::admin::private::Private;

/// A header that a page cannot send to another origin without a preflight.
const OPERATOR_HEADER: &str = "x-portcullis-operator";

const NO_KEY: Rejection =
    (403, "the request has no valid key: use the portcullis command, which reads the key");
const OTHER_MACHINE: Rejection =
    (403, "the request is not from this machine: send it on the machine of the server");

impl Private {
    /// Checks that a request comes from this machine, with a key of the data directory.
    pub(crate) fn check_key(&self, head: &Head<'_>, peer: SocketAddr) -> Result<(), Rejection> {
        if !peer.ip().to_canonical().is_loopback() {
            return Err(OTHER_MACHINE);
        }
        let Some(keys) = &self.server.options.operator_keys else { return Ok(()) };
        match head.header(OPERATOR_HEADER) {
            FieldValue::One(shown) if keys.knows(shown) => Ok(()),
            FieldValue::One(_) | FieldValue::Many | FieldValue::None => Err(NO_KEY),
        }
    }
}

/// Checks that an operator's program sends the request: a page cannot send the header to another
/// origin. The `Host` was checked before.
pub(crate) fn check_operator(head: &Head<'_>) -> Result<(), Rejection> {
    let has_header = matches!(head.header(OPERATOR_HEADER), FieldValue::One(_));
    let page = !matches!(head.header("origin"), FieldValue::None);
    if has_header && !page { Ok(()) } else { Err(NO_KEY) }
}

//! The credentials of a connection outside the CONNECT payload.
//! Never: their verification.

use portcullis_guard::Cookies;
use portcullis_model::limits::PRE_AUTH_MAX_BYTES;
use portcullis_model::{Denial, Secret};

/// The state that is kept until a user is signed in.
#[derive(Default)]
struct PreAuth {
    /// The token of the request that opened the connection.
    bearer: Option<Secret<String>>,
    /// The `id` of the plain connect message that is being answered.
    plain_id: Option<String>,
    received_bytes: u64,
}

/// The credentials of a connection. State that only an unauthenticated connection needs is boxed.
pub(crate) struct Credentials {
    pre_auth: Option<Box<PreAuth>>,
    pub(crate) cookies: Cookies,
    /// Whether the credential cannot be sent again, so that further namespaces require none: it was
    /// in the request, or was a ticket.
    pub(crate) is_used_up: bool,
}

impl Credentials {
    pub(crate) fn new(bearer: Option<Secret<String>>, cookies: Cookies) -> Self {
        let pre_auth = Some(Box::new(PreAuth { bearer, ..PreAuth::default() }));
        Self { pre_auth, cookies, is_used_up: false }
    }

    /// The token of the request that opened the connection.
    pub(crate) fn bearer(&self) -> Option<&Secret<String>> {
        self.pre_auth.as_ref()?.bearer.as_ref()
    }

    /// Counts bytes before a user is signed in.
    ///
    /// # Errors
    /// [`Denial::PreAuthBudget`] above the limit.
    pub(crate) fn count_bytes(&mut self, count: usize) -> Result<(), Denial> {
        let pre_auth = self.pre_auth.get_or_insert_default();
        pre_auth.received_bytes += count as u64;
        if pre_auth.received_bytes > PRE_AUTH_MAX_BYTES {
            return Err(Denial::PreAuthBudget);
        }
        Ok(())
    }

    pub(crate) fn set_plain_id(&mut self, id: Option<String>) {
        self.pre_auth.get_or_insert_default().plain_id = id;
    }

    pub(crate) fn take_plain_id(&mut self) -> Option<String> {
        self.pre_auth.as_mut()?.plain_id.take()
    }

    /// Frees resources that only an unauthenticated connection needs.
    pub(crate) fn clear(&mut self) {
        self.pre_auth = None;
    }
}

//! Names that users of this server are registering at this moment.
//! Never: a stored name; those are in the directory.

use std::sync::Arc;

use parking_lot::Mutex;
use portcullis_guard::{Directory, is_look_alike};
use portcullis_model::{Denial, UserId};

/// The names in use by running requests, so that two look-alikes are not stored at the same time.
/// The number of requests bounds the number of names.
#[derive(Default)]
pub(crate) struct PendingNames(Arc<Mutex<Vec<String>>>);

/// A reserved name; it is free again when the reservation is dropped.
pub(crate) struct NameReservation {
    pending: Arc<Mutex<Vec<String>>>,
    name: String,
}

impl PendingNames {
    /// Reserves a name for a user of this server.
    ///
    /// `by` is the user who changes their name. Users with look-alike names of older versions keep
    /// them.
    ///
    /// # Errors
    /// [`Denial::NameTaken`] when another user of this server has a name that looks like it.
    pub(crate) fn reserve(
        &self,
        directory: &Directory,
        name: &str,
        by: Option<&UserId>,
    ) -> Result<NameReservation, Denial> {
        let mut pending = self.0.lock();
        if pending.iter().any(|other| is_look_alike(name, other)) {
            return Err(Denial::NameTaken);
        }
        pending.push(String::from(name));
        drop(pending);
        let reservation =
            NameReservation { pending: Arc::clone(&self.0), name: String::from(name) };
        // Checked last: a name that was pending until now is in the directory.
        match directory.has_own_look_alike(name, by) {
            true => Err(Denial::NameTaken),
            false => Ok(reservation),
        }
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.lock().is_empty()
    }
}

impl Drop for NameReservation {
    fn drop(&mut self) {
        let mut pending = self.pending.lock();
        if let Some(at) = pending.iter().position(|name| *name == self.name) {
            pending.swap_remove(at);
        }
    }
}

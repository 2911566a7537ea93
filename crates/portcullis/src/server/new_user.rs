//! Adds users of issuers to the directory when they connect for the first time.
//! Never: a role from a token.

use std::sync::Arc;

use portcullis_guard::{Directory, UserFacts, VerifiedCredential};
use portcullis_model::Denial;
use portcullis_server::Builder;

/// Puts the users of other issuers into the directory when they connect.
pub(crate) fn put_when_connecting(builder: &mut Builder, directory: Arc<Directory>) {
    builder.on_connect(move |verified| {
        let is_known = put(&directory, verified);
        async move { if is_known { Ok(()) } else { Err(Denial::Busy) } }
    });
}

/// Puts the user of another issuer's token into the directory; false when it is full.
///
/// Of a known user only the name changes: bans, revocations and roles are the application's.
pub(crate) fn put(directory: &Directory, verified: VerifiedCredential) -> bool {
    let VerifiedCredential { user, name, .. } = verified;
    let is_known = directory.change_user(&user, |facts| {
        if let Some(name) = &name {
            facts.name.clone_from(name);
        }
    });
    let name = name.unwrap_or_else(|| user.to_string());
    is_known || directory.put_user(UserFacts::new(user, name))
}

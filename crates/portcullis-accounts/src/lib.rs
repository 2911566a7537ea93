//! Accounts and tokens over HTTPS, built on the public API of the server.
//! Never: sockets, SQL.

mod options; // options of the accounts
mod error; // why the accounts cannot work
mod accounts; // the state that all routes share
mod install; // list of all routes and events
mod request; // shared by all routes: input, the signed-in user, records, cookies
mod users; // registration, invitations, names, profiles
mod passwords; // rules for passwords, and hashing
mod login; // login, its limits, known devices, login links
mod factors; // one-time codes and recovery codes
mod sessions; // sessions, opened and refreshed and ended
mod tokens; // access tokens, refresh tokens, tickets
mod keys; // signing keys, session secrets, keys of other issuers
mod moderation; // moderation events, and changes of other users
mod store_sync; // the directory follows the store
mod operator; // account changes at the command line
#[cfg(test)]
mod story; // the routes together, with a real store and gate

pub use accounts::AccountParts;
pub use error::AccountsError;
pub use install::install;
pub use keys::error::KeyError;
pub use keys::issuer_keys::{RemoteIssuer, install_issuers};
pub use keys::server_secret::{ServerSecret, SessionKeyFacts};
pub use keys::signing_keys::{SigningKeyFacts, SigningKeys};
pub use moderation::change::{Moderation, ModerationError, Moderator, read_roles};
pub use operator::{OperatorAccounts, OperatorError, OperatorLink, StatusChange};
pub use options::{AccountOptions, Registration, SESSION_TIME_LONGEST_S, SessionTimes};
pub use passwords::hashing::{PasswordHashing, PasswordMatch};
pub use passwords::password::{
    PASSWORD_MAX_BYTES, PASSWORD_MAX_CHARS, PASSWORD_MIN_CHARS, Password,
};
pub use passwords::policy::{LISTED_MAX, ListedPasswords, PasswordPolicy};
pub use passwords::pool::{PasswordPool, PasswordQueue, QUEUE_MAX};
pub use portcullis_seal::PrivateFileError;
pub use store_sync::account_feed::AccountFeed;
pub use tokens::access_token::{ACCESS_TOKEN_LIFE_S, AccessClaims};
pub use tokens::shared_token::{SharedClaims, shared_token};
pub use users::external_names::correct_names;
pub use users::invitation::make_invitation;
pub use users::setup_token::Setup;
pub use users::username::{USERNAME_MAX_CHARS, USERNAME_MIN_CHARS, Username};

//! Accounts and tokens over HTTPS, built on the server's public API.
//! Never: sockets, SQL.

mod accounts; // options and shared state
mod install; // list of all routes and events
mod request; // what all routes share: input, the signed-in user, cookies
mod users; // registration, invitations, names, profiles
mod login; // logging in, known devices, login links
mod sessions; // sessions, opened and refreshed and ended
mod tokens; // access tokens, refresh tokens, tickets
mod passwords; // rules for passwords, and hashing
mod factors; // one-time codes and recovery codes
mod keys; // signing keys, the session secret, keys of issuers
mod moderation; // moderation events
mod store_sync; // the directory follows the store
mod operator; // account changes at the command line
#[cfg(test)]
mod story; // the routes together, over a real store and gate

pub use accounts::{AccountOptions, AccountParts, AccountsError, Registration, SessionTimes};
pub use install::install;
pub use keys::issuer_keys::{RemoteIssuer, install_issuers};
pub use keys::server_secret::{ServerSecret, SessionKeyFacts};
pub use keys::signing_keys::{KeyError, SigningKeyFacts, SigningKeys};
pub use operator::{OperatorError, OperatorHand, OperatorLink, Standing};
pub use passwords::password::{
    PASSWORD_MAX_BYTES, PASSWORD_MAX_CHARS, PASSWORD_MIN_CHARS, Password, PasswordHashing,
    PasswordMatch,
};
pub use passwords::policy::{LISTED_MAX, ListedPasswords, PasswordPolicy};
pub use passwords::pool::{PasswordLane, PasswordPool, QUEUE_MAX};
pub use portcullis_seal::PrivateFileError;
pub use store_sync::feed::AccountFeed;
pub use tokens::access_token::{ACCESS_TOKEN_LIFE_S, AccessClaims};
pub use tokens::shared_token::{SharedClaims, shared_token};
pub use users::external_names::correct_names;
pub use users::setup::Setup;
pub use users::username::{USERNAME_MAX_CHARS, USERNAME_MIN_CHARS, Username};

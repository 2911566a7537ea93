//! Accounts and tokens over HTTPS, built on the server's public API.
//! Never: sockets, SQL.

mod accounts; // what the routes share
mod install; // the list of all routes and events
mod input; // what clients send, and what every route does first
mod register; // POST /auth/register
mod create_user; // a new account, however it came about
mod login; // POST /auth/login
mod attempts; // attempts to prove a secret, counted
mod door; // POST /auth/door
mod login_link; // one-time login links
mod session_open; // a log-in becomes a session
mod refresh; // POST /auth/refresh
mod logout; // POST /auth/logout, /auth/logout-all
mod ticket; // POST /auth/ticket
mod reauthenticate; // POST /auth/reauthenticate
mod password_change; // POST /auth/password
mod profile; // GET, POST /auth/profile
mod sessions; // GET /auth/sessions, POST /auth/sessions/end
mod totp_begin; // POST /auth/totp/begin
mod totp_confirm; // POST /auth/totp/confirm
mod totp_remove; // POST /auth/totp/remove
mod totp; // one-time codes
mod invitation; // POST /auth/invitations
mod setup; // POST /auth/setup: the first administrator
mod jwks; // GET /.well-known/jwks.json
mod provision; // users of foreign issuers, at their first connection
mod names; // names of theirs that look like own ones
mod user_mute; // user:mute
mod user_kick; // user:kick
mod user_ban; // user:ban
mod user_role; // user:role
mod user_target; // whom a moderator may act on
mod moderation; // what acts on other users have in common
mod feed; // what committed changes of people mean
mod outside; // what others did to the store, as records
mod operator; // what an operator does at the command line
mod shared_token; // a token of another issuer, for tests and support
mod store_fact; // the store in `/ready`
mod watch; // keeps what is known true
mod issuer_keys; // keys of other issuers, fetched
mod token; // access tokens of our own
mod keys; // the ring of keys that sign them
mod signing_key; // one key of it
mod server_secret; // what refresh tokens and device cookies are made from
mod session_key; // one secret, and the keys derived from it
mod refresh_token; // a session's turns
mod cookies; // the two cookies
mod device; // devices somebody has logged in from
mod table_monitor; // whether a table or share is full
mod failures; // how often a name was tried in vain
mod username; // names without look-alikes
mod password; // in normal form, hashed with Argon2id
mod password_common; // which passwords are well known
mod password_policy; // which new passwords are rejected
mod password_pool; // a few threads that hash
#[cfg(test)]
mod story; // the routes together, over a real store and gate

pub use accounts::{AccountOptions, AccountParts, AccountsError, Registration, SessionTimes};
pub use feed::AccountFeed;
pub use install::install;
pub use issuer_keys::{RemoteIssuer, install_issuers};
pub use keys::{KeyError, SigningKeyFacts, SigningKeys};
pub use names::correct_names;
pub use operator::{OperatorError, OperatorHand, OperatorLink, Standing};
pub use password::{
    PASSWORD_MAX_BYTES, PASSWORD_MAX_CHARS, PASSWORD_MIN_CHARS, Password, PasswordHashing,
    PasswordMatch,
};
pub use password_policy::{LISTED_MAX, ListedPasswords, PasswordPolicy};
pub use password_pool::{PasswordLane, PasswordPool, QUEUE_MAX};
pub use portcullis_seal::PrivateFileError;
pub use server_secret::{ServerSecret, SessionKeyFacts};
pub use setup::Setup;
pub use shared_token::{SharedClaims, shared_token};
pub use token::{ACCESS_TOKEN_LIFE_S, AccessClaims};
pub use username::{USERNAME_MAX_CHARS, USERNAME_MIN_CHARS, Username};

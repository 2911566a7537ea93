//! Sessions and their turns, as they go into the store and come out.
//! Never: a token; a turn is the number of a refresh token.

use portcullis_model::{SessionId, UserId};

/// The factors with which a user has authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Factors {
    /// The password.
    Password,
    /// The password and a one-time code.
    PasswordAndCode,
}

/// A stored session: one row of the table `sessions`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// The session (`sid`).
    pub id: SessionId,
    /// Its user.
    pub user: UserId,
    /// When it was opened.
    pub created_unix_ms: i64,
    /// When the user last authenticated.
    pub authenticated_unix_ms: i64,
    /// When it was last renewed.
    pub renewed_unix_ms: i64,
    /// The number of its newest refresh token, from 0.
    pub turn: u64,
    /// When it ends unless it is renewed.
    pub idle_ends_unix_ms: i64,
    /// When it ends in any case.
    pub ends_unix_ms: i64,
    /// The client's description of the device; for display.
    pub device: String,
    /// The address that opened it; for display.
    pub address: String,
    /// The client's key, an uncompressed P-256 point, if the client has proved one.
    pub key: Option<Vec<u8>>,
    /// The factors of the last authentication.
    pub factors: Factors,
    /// How often the user has authenticated again; older access tokens are void.
    pub generation: u64,
}

/// A session to open.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// The new session, random.
    pub id: SessionId,
    /// Its user.
    pub user: UserId,
    /// The current time, which is the time of authentication.
    pub at_unix_ms: i64,
    /// When it ends unless it is renewed.
    pub idle_ends_unix_ms: i64,
    /// When it ends in any case.
    pub ends_unix_ms: i64,
    /// The client's description of the device.
    pub device: String,
    /// The client's address.
    pub address: String,
    /// A hash of the device that its refresh tokens are bound to.
    pub device_hash: [u8; 32],
    /// The client's key, if the client has proved one.
    pub key: Option<Vec<u8>>,
    /// The factors of the authentication.
    pub factors: Factors,
    /// How many sessions a user may have; the least recently renewed ones end.
    pub sessions_per_user_max: u32,
}

/// The result of a [`NewSession`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenSessionOutcome {
    /// The session exists.
    Opened,
    /// The user does not exist, or is disabled or banned.
    UserMissing,
}

/// A turn that a request presents.
#[derive(Debug, Clone)]
pub struct PresentedTurn {
    /// The turn that the refresh token names.
    pub number: u64,
    /// The hash of the requesting device.
    pub device_hash: [u8; 32],
}

/// A request to renew a session with a refresh token.
#[derive(Debug, Clone)]
pub struct RotateRequest {
    /// The session of the token.
    pub session: SessionId,
    /// The turn of the token, and the device.
    pub presented: PresentedTurn,
    /// The current time.
    pub at_unix_ms: i64,
    /// How long, in milliseconds, the same device gets no newer turn, and may present the last
    /// one again.
    pub grace_ms: i64,
    /// How long the session may be idle from now on, in milliseconds.
    pub idle_ms: i64,
}

/// The result of a [`RotateRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RotateOutcome {
    /// The next turn has started.
    Next(SessionRow),
    /// The newest or the last turn was presented just after the change, from the same device:
    /// nothing has changed.
    Same(SessionRow),
    /// An older turn was presented, so the token was copied. The session has ended.
    Reused(SessionRow),
    /// The session or turn does not exist, or the session has ended.
    Ended,
}

/// A user authenticates again within a session.
#[derive(Debug, Clone)]
pub struct ReauthenticateRequest {
    /// The session.
    pub session: SessionId,
    /// The refresh token of the request; without one the session's turn does not change.
    pub presented: Option<PresentedTurn>,
    /// When the request arrived.
    pub at_unix_ms: i64,
    /// When the proof was checked; meanwhile the refresh token may have lost its turn.
    pub checked_unix_ms: i64,
    /// The factors of the authentication.
    pub factors: Factors,
    /// As in [`RotateRequest`].
    pub grace_ms: i64,
    /// As in [`RotateRequest`].
    pub idle_ms: i64,
}

/// The result of a [`ReauthenticateRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReauthenticateOutcome {
    /// The authentication is recorded: older access tokens of the session are void.
    Recorded(SessionRow),
    /// An older refresh token was presented, so the token was copied. The session has ended.
    Reused(SessionRow),
    /// The session does not exist, or has ended.
    Ended,
}

/// Selects sessions of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionSelector {
    /// This session.
    One(SessionId),
    /// All sessions.
    All,
    /// All sessions except this one.
    AllExcept(SessionId),
}

//! The attempts that limits count, as a trace records them and a simulation replays them.
//! Never: a name, a token or a payload; an account is a keyed hash.

use std::net::IpAddr;
use std::sync::Arc;

use portcullis_model::{Denial, Now};
use serde::{Deserialize, Serialize};

use crate::capacity::client_class::ClientClass;

/// One attempt that limits counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case", deny_unknown_fields)]
pub enum Attempt {
    /// A TLS handshake.
    Tls {
        /// The address.
        client: IpAddr,
        /// Whether a user was signed in from this address.
        signed_in: bool,
    },
    /// A new socket, before it has a slot.
    Connect {
        /// The address.
        client: IpAddr,
        /// The admission token it showed: the alias of the user, and the class.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        admission: Option<(u64, ClientClass)>,
    },
    /// A user signs in on a new socket, and its address is refunded.
    SignIn {
        /// The address.
        client: IpAddr,
        /// The class of the socket.
        #[serde(rename = "lane")]
        class: ClientClass,
    },
    /// A new socket that got a slot.
    #[serde(rename = "place")]
    Slot {
        /// Its class.
        #[serde(rename = "lane")]
        class: ClientClass,
    },
    /// A request that opens no socket.
    Request {
        /// The address.
        client: IpAddr,
        /// The admission token it showed, as for a new socket.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        admission: Option<(u64, ClientClass)>,
        /// Whether another site's page may have caused it.
        #[serde(default, skip_serializing_if = "RequestCause::is_client")]
        from: RequestCause,
    },
    /// A further request of a long-polling session.
    #[serde(rename = "again")]
    PollingRequest {
        /// The address.
        client: IpAddr,
        /// The id of the user who is signed in on the session.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
    },
    /// A login, or a request that costs as much.
    Login {
        /// The address.
        client: IpAddr,
        /// The account it names, as a number.
        name: u64,
        /// The device it is known from, as a number together with the name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        device: Option<u64>,
    },
    /// A login with the right password; its address is refunded.
    LoginProven {
        /// The address.
        client: IpAddr,
    },
    /// A login from an unknown device, counted toward all logins.
    #[serde(rename = "login_place")]
    LoginSlot {},
    /// A wrong password.
    LoginFailed {
        /// The account, as a number.
        name: u64,
        /// The device, link or sessions it is judged by, as for a log-in.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        device: Option<u64>,
    },
    /// A one-time code, before it is checked.
    Code {
        /// The account, as a number.
        name: u64,
        /// The device, link or sessions it is judged by, as for a log-in.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        device: Option<u64>,
    },
    /// A right one-time code.
    CodeAccepted {
        /// The account, as a number.
        name: u64,
        /// The device, link or sessions it is judged by, as for a log-in.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        device: Option<u64>,
    },
    /// A wrong one-time or recovery code.
    CodeFailed {
        /// The account, as a number.
        name: u64,
        /// The device, link or sessions it is judged by, as for a log-in.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        device: Option<u64>,
    },
    /// A ticket.
    Ticket {
        /// The user's id.
        user: String,
    },
    /// A message.
    Event {
        /// The address, if it is known.
        client: Option<IpAddr>,
        /// The connection, numbered since the start.
        connection: u64,
        /// The user's id.
        user: String,
        /// The event, if it is declared, and its rate of its own (`"10/60s"`).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        event: Option<(String, Option<String>)>,
    },
    /// Bytes of a signed-in connection.
    Bytes {
        /// The address, if it is known.
        client: Option<IpAddr>,
        /// The connection, numbered since the start.
        connection: u64,
        /// The user's id.
        user: String,
        /// How many.
        bytes: u32,
    },
    /// A CONNECT or DISCONNECT packet.
    Namespace {
        /// The connection, numbered since the start; none where it was counted before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        connection: Option<u64>,
        /// The user's id, where one is signed in.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
    },
    /// A signature check.
    Signature {
        /// The connection that causes it, numbered since the start.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        connection: Option<u64>,
        /// The user's id, once the check has shown it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
    },
    /// A violation.
    #[serde(rename = "fault")]
    Violation {
        /// The address, where no user is signed in.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client: Option<IpAddr>,
        /// The user's id.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
    },
    /// An operator cleared the limits of an address.
    UnlockedAddress {
        /// The address.
        client: IpAddr,
    },
    /// An operator cleared the limits of a user.
    UnlockedUser {
        /// The user's id.
        user: String,
        /// The account, as a number.
        name: u64,
    },
    /// A change of the load.
    Load {
        /// The state's name.
        state: String,
        /// The rate of returning clients, in thousandths of `connect_total`.
        #[serde(rename = "known_level")]
        returning_permille: u32,
    },
}

/// The possible causes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestCause {
    /// The client that it counts for.
    #[default]
    Client,
    /// Possibly a page of another site, so it has a separate count.
    Anywhere,
}

impl RequestCause {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_client(&self) -> bool {
        *self == Self::Client
    }
}

/// One line of a trace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceEntry {
    /// Milliseconds since the process started.
    pub at_ms: u64,
    /// The limit that rejected, or `shed` for the load; none where the attempt passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// The attempt.
    #[serde(flatten)]
    pub attempt: Attempt,
}

/// Receives the entries of a trace.
pub type Trace = Arc<dyn Fn(TraceEntry, Now) + Send + Sync>;

/// The name of a rejection in a trace.
pub(crate) fn rejected_by(denial: &Denial) -> Option<&'static str> {
    match denial {
        Denial::Limit { limit, .. } => Some(limit.name()),
        Denial::Shed(_) | Denial::Overloaded => Some("shed"),
        _ => None,
    }
}

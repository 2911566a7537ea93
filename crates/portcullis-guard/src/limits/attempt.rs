//! What limits count, one by one, as it can be written down and counted again.
//! Never: a name, a token or a payload; an account is a number under a secret of the process.

use std::net::IpAddr;
use std::sync::Arc;

use portcullis_model::{Denial, Now};
use serde::{Deserialize, Serialize};

use crate::capacity::client_class::ClientClass;

/// One thing that was counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case", deny_unknown_fields)]
pub enum Attempt {
    /// A TLS handshake.
    Tls {
        /// From where.
        client: IpAddr,
        /// Whether somebody was signed in from there.
        signed_in: bool,
    },
    /// A new socket, before it has a place.
    Connect {
        /// From where.
        client: IpAddr,
        /// The admission it showed: whose, as a number, and its lane.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        admission: Option<(u64, ClientClass)>,
    },
    /// A user signs in on a new socket; its address gets back what the socket took.
    SignIn {
        /// From where.
        client: IpAddr,
        /// The lane in which the socket came.
        #[serde(rename = "lane")]
        class: ClientClass,
    },
    /// A new socket that found a place.
    #[serde(rename = "place")]
    Slot {
        /// Its lane.
        #[serde(rename = "lane")]
        class: ClientClass,
    },
    /// A request that opens nothing.
    Request {
        /// From where.
        client: IpAddr,
        /// As for a new socket.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        admission: Option<(u64, ClientClass)>,
        /// Whether another site's page may have caused it.
        #[serde(default, skip_serializing_if = "RequestCause::is_client")]
        from: RequestCause,
    },
    /// A further request of a long-polling session.
    #[serde(rename = "again")]
    PollingRequest {
        /// From where.
        client: IpAddr,
        /// The id of the user who is signed in there.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
    },
    /// A log-in, or what costs as much.
    Login {
        /// From where.
        client: IpAddr,
        /// The account it names, as a number.
        name: u64,
        /// The device it is known from, as a number together with the name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        device: Option<u64>,
    },
    /// A log-in that showed the right password; its address gets back what it took.
    LoginProven {
        /// From where.
        client: IpAddr,
    },
    /// A log-in from an unknown device, among all of them.
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
    /// A one-time code that was about to be checked.
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
        /// From where, where that is known.
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
        /// From where, where that is known.
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
        /// From where, where nobody is signed in.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client: Option<IpAddr>,
        /// The user's id.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
    },
    /// An operator lifted what kept an address out.
    UnlockedAddress {
        /// The address.
        client: IpAddr,
    },
    /// An operator lifted what kept a user out.
    UnlockedUser {
        /// The user's id.
        user: String,
        /// The account, as a number.
        name: u64,
    },
    /// How hard-pressed the server is from here on.
    Load {
        /// The state's name.
        state: String,
        /// How fast those come in who have been here before, in thousandths.
        #[serde(rename = "known_level")]
        returning_permille: u32,
    },
}

/// Which party may have caused a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestCause {
    /// The client it counts for.
    #[default]
    Client,
    /// Perhaps a page of another site, so that it is counted apart.
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
    /// Milliseconds since the process began.
    pub at_ms: u64,
    /// The limit that refused, or `shed` for the load; none where it passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// What was counted.
    #[serde(flatten)]
    pub attempt: Attempt,
}

/// Where a trace is written.
pub type Trace = Arc<dyn Fn(TraceEntry, Now) + Send + Sync>;

/// What stands for a refusal in a trace.
pub(crate) fn refused_by(denial: &Denial) -> Option<&'static str> {
    match denial {
        Denial::Limit { limit, .. } => Some(limit.name()),
        Denial::Shed(_) | Denial::Overloaded => Some("shed"),
        _ => None,
    }
}

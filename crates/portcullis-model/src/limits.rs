//! Fixed limits that the configuration cannot change, and defaults of the configuration.
//! Never: a number without a unit in its name.

/// Longest event name, in bytes.
pub const EVENT_NAME_MAX_BYTES: usize = 128;
/// Longest namespace, in bytes.
pub const NAMESPACE_MAX_BYTES: usize = 128;
/// Longest room id, in bytes.
pub const ROOM_ID_MAX_BYTES: usize = 64;
/// Longest user id, in bytes.
pub const USER_ID_MAX_BYTES: usize = 64;
/// Longest client-chosen message id (`mid`), in bytes.
pub const MID_MAX_BYTES: usize = 64;
/// Largest acknowledgement id and sequence number: 2^53 - 1, exact in every JSON parser.
pub const INTEGER_MAX: u64 = 9_007_199_254_740_991;
/// Longest token, in bytes, checked before the token is read.
pub const TOKEN_MAX_BYTES: usize = 4096;
/// Largest request head, in bytes.
pub const HEAD_MAX_BYTES: usize = 16 * 1024;
/// Most header lines in a request head.
pub const HEADERS_MAX: usize = 64;
/// Longest request target, in bytes.
pub const TARGET_MAX_BYTES: usize = 2048;
/// Most bytes of a connection before its CONNECT is accepted.
pub const PRE_AUTH_MAX_BYTES: u64 = 16 * 1024;
/// Most namespaces of one connection.
pub const NAMESPACES_PER_CONNECTION_MAX: usize = 8;
/// Most rooms of one connection.
pub const ROOMS_PER_CONNECTION_MAX: usize = 128;
/// Most blocked networks that have not ended.
pub const BLOCKS_MAX: usize = 4_096;
/// Longest block of a network, in seconds: 30 days.
pub const BLOCK_MAX_S: u64 = 30 * 24 * 3_600;
/// Shortest and longest reason of a change by an administrator or operator, in characters.
pub const REASON_CHARS: std::ops::RangeInclusive<usize> = 3..=200;
/// Nesting of JSON.
pub const JSON_DEPTH_MAX: usize = 32;
/// Keys of one JSON object.
pub const JSON_KEYS_MAX: usize = 256;
/// Values in one JSON document.
pub const JSON_NODES_MAX: usize = 2048;
/// Items of one JSON array.
pub const JSON_ITEMS_MAX: usize = 1024;
/// Most frames of one WebSocket message, including empty ones.
pub const FRAGMENTS_MAX: u16 = 64;
/// Most attachments of one binary packet.
pub const ATTACHMENTS_MAX: usize = 10;
/// Most packets of one long-polling request: as many of the shortest events as its bytes hold.
pub const POLLING_PACKETS_MAX: usize = 8_192;
/// Largest body of a long-polling request or answer, in bytes.
pub const POLLING_BODY_MAX_BYTES: usize = 64 * 1024;
/// Most acknowledgements of one connection that the server waits for at a time.
pub const ACKS_PENDING_MAX: usize = 64;

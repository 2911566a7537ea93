//! HTTP heads, framing, paths, and the WebSocket handshake.
//! Never: a sleep; every wait has a deadline.

mod upgrade; // invalid opening handshakes
mod heads; // heads too slow, too large, too many
mod framing; // requests that can be read in two ways
mod paths; // paths and methods that name nothing

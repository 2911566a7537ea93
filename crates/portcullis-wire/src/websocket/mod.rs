//! RFC 6455 from the server's side: frames to messages, messages to frames.
//! Never: masked frames of the server, or memory that a header only announces.

mod message; // a message, and the result of one call of the decoder
mod fault; // limits of frames, and why a peer is disconnected
mod decoder; // bytes to messages
mod header; // the header of one frame
mod mask; // unmasking in place
mod assembly; // a message while its bytes arrive
mod encode; // messages to frames
mod server_frame; // reads the server's own frames for other transports
pub mod deflate; // compression, if both sides agree to it
#[cfg(test)]
mod tests; // tables of frames, and the same bytes cut at every position

pub use decoder::Decoder;
pub use encode::{accept_key, close_frame, frame, write_frame};
pub use fault::{FrameFault, FrameLimits};
pub use message::{CloseFrame, Message, Opcode, Step};
pub use server_frame::{in_base64, server_frame};

//! Buffers and compressors that the connections of a shard share.
//! Never: bytes kept between two uses.

use std::cell::RefCell;

use bytes::Bytes;
use portcullis_wire::websocket::deflate::{Deflater, Inflater};

use crate::events::frame::{Form, Frame};

/// Bytes read from a socket in one call.
const READ_MAX_BYTES: usize = 64 * 1024;

/// The shared buffers of a shard.
pub(crate) struct Buffers {
    pub(crate) read: RefCell<Vec<u8>>,
    pub(crate) write: RefCell<Vec<u8>>,
    /// Created for the first connection with compression.
    pub(crate) inflater: RefCell<Option<Box<Inflater>>>,
    deflater: RefCell<Option<Box<Deflater>>>,
}

impl Buffers {
    pub(crate) fn new() -> Self {
        Self {
            read: RefCell::new(vec![0; READ_MAX_BYTES]),
            write: RefCell::default(),
            inflater: RefCell::default(),
            deflater: RefCell::default(),
        }
    }

    /// The event compressed, once for all recipients on all shards.
    pub(crate) fn compressed(&self, event: &Frame, form: Form) -> Option<Bytes> {
        if !event.attachments().is_empty() {
            return None;
        }
        event.compressed(form, |opcode, payload| {
            self.deflater.borrow_mut().get_or_insert_default().frame(opcode, payload)
        })
    }
}

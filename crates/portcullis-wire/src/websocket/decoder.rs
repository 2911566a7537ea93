//! Decodes the bytes of a client to whole messages (RFC 6455 sections 5 and 8.1).
//! Never: copies a frame that arrived whole; works after the first fault or the close frame.

use std::ops::Range;

use super::assembly::Assembly;
use super::deflate::Inflater;
use super::fault::{FrameFault, FrameLimits};
use super::header::{Coding, Extension, HEADER_MAX_BYTES, Header, Kind};
use super::mask::unmask;
use super::message::{CloseFrame, Message, Step, is_close_code};

/// Decodes one client's frames. It has sixteen bytes while no message is incomplete.
#[derive(Debug, Default)]
pub struct Decoder {
    partial: Option<Box<Partial>>,
    ended: bool,
}

/// The state of an incomplete frame or message, and the completed message until the next call.
#[derive(Debug)]
struct Partial {
    since_ms: u64,
    header: [u8; HEADER_MAX_BYTES],
    header_length: usize,
    frame: Option<Frame>,
    control: Vec<u8>,
    message: Option<Assembly>,
    lent: Lent,
}

/// A frame with a complete header and an incomplete payload.
#[derive(Debug, Clone, Copy)]
struct Frame {
    header: Header,
    arrived: usize,
}

/// The buffer that the caller borrows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lent {
    Nothing,
    Control,
    Message,
}

/// The place of a completed message.
enum Ready {
    Nothing,
    Input(Kind, Coding, Range<usize>),
    Control(Kind),
    Message(Kind, Coding),
}

impl Decoder {
    /// A decoder for a connection after its upgrade.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Decodes bytes from the start of `input`, up to the end of one message or control frame.
    ///
    /// Unmasks in place; the caller drops the consumed bytes of `input`. The message borrows from
    /// `input` if its frame is whole there, and otherwise from the decoder. After the close frame
    /// or a fault, all bytes are consumed and ignored (RFC 6455 section 7.1.7).
    ///
    /// # Errors
    /// The peer violated RFC 6455 or a limit. Sizes and counts are checked on the header.
    pub fn decode<'a>(
        &'a mut self,
        input: &'a mut [u8],
        limits: &FrameLimits,
        now_ms: u64,
    ) -> Result<Step<'a>, FrameFault> {
        let Some((consumed, ready)) = self.ready(input, limits, now_ms, Extension::None)? else {
            return Ok(Step { consumed: input.len(), message: None });
        };
        let Self { partial, ended } = self;
        let Some((kind, _, payload)) = lend(ready, input, partial.as_deref()) else {
            return Ok(Step { consumed, message: None });
        };
        let message = read_message(kind, payload);
        *ended = matches!(message, Err(_) | Ok(Message::Close(_)));
        Ok(Step { consumed, message: Some(message?) })
    }

    /// Decodes like [`Decoder::decode`], for a connection with permessage-deflate (RFC 7692).
    ///
    /// `message_max_bytes` limits a compressed message before and after decompression. A
    /// decompressed message borrows from the inflater.
    ///
    /// # Errors
    /// As [`Decoder::decode`], and for a compressed message that is invalid or expands too much.
    pub fn decode_deflated<'a>(
        &'a mut self,
        input: &'a mut [u8],
        limits: &FrameLimits,
        now_ms: u64,
        inflater: &'a mut Inflater,
    ) -> Result<Step<'a>, FrameFault> {
        let Some((consumed, ready)) = self.ready(input, limits, now_ms, Extension::Deflate)? else {
            return Ok(Step { consumed: input.len(), message: None });
        };
        let Self { partial, ended } = self;
        let Some((kind, coding, payload)) = lend(ready, input, partial.as_deref()) else {
            return Ok(Step { consumed, message: None });
        };
        let message_max = usize::try_from(limits.message_max_bytes).unwrap_or(usize::MAX);
        let payload = match coding {
            Coding::Plain => Ok(payload),
            Coding::Deflated => inflater.inflate(payload, message_max),
        };
        let message = payload.and_then(|payload| read_message(kind, payload));
        *ended = matches!(message, Err(_) | Ok(Message::Close(_)));
        Ok(Step { consumed, message: Some(message?) })
    }

    /// Reads bytes up to the end of one frame; `None` if there is nothing to decode.
    fn ready(
        &mut self,
        input: &mut [u8],
        limits: &FrameLimits,
        now_ms: u64,
        extension: Extension,
    ) -> Result<Option<(usize, Ready)>, FrameFault> {
        self.release();
        if self.ended || input.is_empty() {
            return Ok(None);
        }
        match self.advance(input, limits, now_ms, extension) {
            Ok(outcome) => Ok(Some(outcome)),
            Err(fault) => {
                *self = Self { partial: None, ended: true };
                Err(fault)
            }
        }
    }

    /// Frees the message of the last call; the next call does so, too.
    pub fn release(&mut self) {
        if self.ended {
            self.partial = None;
        }
        let Some(partial) = &mut self.partial else { return };
        match partial.lent {
            Lent::Nothing => {}
            Lent::Message => self.partial = None,
            Lent::Control if partial.message.is_none() => self.partial = None,
            Lent::Control => {
                partial.control = Vec::new();
                partial.lent = Lent::Nothing;
            }
        }
    }

    /// When the first byte of an incomplete message or frame arrived.
    #[must_use]
    pub fn pending_since_ms(&self) -> Option<u64> {
        let partial = self.partial.as_ref().filter(|_| !self.ended)?;
        let done = match partial.lent {
            Lent::Nothing => false,
            Lent::Control => partial.message.is_none(),
            Lent::Message => true,
        };
        (!done).then_some(partial.since_ms)
    }

    /// Heap bytes of this decoder.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.partial.as_ref().map_or(0, |partial| {
            let message = partial.message.as_ref().map_or(0, Assembly::held_bytes);
            size_of::<Partial>() + partial.control.capacity() + message
        })
    }

    fn advance(
        &mut self,
        input: &mut [u8],
        limits: &FrameLimits,
        now_ms: u64,
        extension: Extension,
    ) -> Result<(usize, Ready), FrameFault> {
        if let Some(since_ms) = self.pending_since_ms()
            && now_ms.saturating_sub(since_ms) >= limits.assembly_timeout_ms
        {
            return Err(FrameFault::AssemblyTimeout);
        }
        let continued = self.partial.as_mut().and_then(|partial| partial.frame.take());
        let (frame, start) = match continued {
            Some(frame) => (frame, 0),
            None => match self.read_header(input, limits, now_ms, extension)? {
                None => return Ok((input.len(), Ready::Nothing)),
                Some((header, start)) => {
                    if !header.is_whole() || input.len() - start < header.length {
                        self.begin(header, now_ms);
                    }
                    (Frame { header, arrived: 0 }, start)
                }
            },
        };
        let Frame { header, arrived } = frame;
        let end = start + (input.len() - start).min(header.length - arrived);
        let payload = input.get_mut(start..end).unwrap_or_default();
        unmask(payload, header.mask, arrived);
        if header.is_whole() && payload.len() == header.length && continued.is_none() {
            self.free_header();
            return Ok((end, Ready::Input(header.kind, header.coding, start..end)));
        }
        let ready = self.keep(frame, payload)?;
        Ok((end, ready))
    }

    /// Reads the next header and the start of its payload. Keeps the bytes of an incomplete header.
    fn read_header(
        &mut self,
        input: &[u8],
        limits: &FrameLimits,
        now_ms: u64,
        extension: Extension,
    ) -> Result<Option<(Header, usize)>, FrameFault> {
        let Some(partial) = &mut self.partial else {
            let header = Header::read(input, None, limits, extension)?;
            if header.is_none() {
                let mut partial = Partial::new(now_ms);
                partial.add_header_bytes(input);
                self.partial = Some(Box::new(partial));
            }
            return Ok(header.map(|header| (header, header.size)));
        };
        let progress = partial.message.as_ref().map(Assembly::progress);
        let before = partial.header_length;
        let bytes = partial.add_header_bytes(input);
        let header = Header::read(bytes, progress, limits, extension)?;
        if header.is_some() {
            partial.header_length = 0;
        }
        Ok(header.map(|header| (header, header.size - before)))
    }

    /// Makes room for a frame that cannot be lent from the input, and counts it.
    fn begin(&mut self, header: Header, now_ms: u64) {
        let partial = self.partial.get_or_insert_with(|| Box::new(Partial::new(now_ms)));
        if !header.kind.is_control() {
            partial
                .message
                .get_or_insert_with(|| Assembly::new(header.kind, header.coding))
                .count_frame();
        }
    }

    /// Frees the bytes of a header that arrived in pieces, unless a message is incomplete.
    fn free_header(&mut self) {
        if self.partial.as_ref().is_some_and(|partial| partial.message.is_none()) {
            self.partial = None;
        }
    }

    fn keep(&mut self, frame: Frame, payload: &[u8]) -> Result<Ready, FrameFault> {
        let Some(partial) = &mut self.partial else { return Ok(Ready::Nothing) };
        let Frame { header, arrived } = frame;
        let arrived = arrived + payload.len();
        match &mut partial.message {
            Some(message) if !header.kind.is_control() => {
                message.push(payload, header.length - arrived)?;
            }
            Some(_) | None => partial.control.extend_from_slice(payload),
        }
        if arrived < header.length {
            partial.frame = Some(Frame { header, arrived });
            return Ok(Ready::Nothing);
        }
        if header.kind.is_control() {
            partial.lent = Lent::Control;
            return Ok(Ready::Control(header.kind));
        }
        let Some(message) = partial.message.as_ref().filter(|_| header.fin) else {
            return Ok(Ready::Nothing);
        };
        message.finish()?;
        partial.lent = Lent::Message;
        Ok(Ready::Message(message.kind(), message.coding()))
    }
}

impl Partial {
    fn new(now_ms: u64) -> Self {
        Self {
            since_ms: now_ms,
            header: [0; HEADER_MAX_BYTES],
            header_length: 0,
            frame: None,
            control: Vec::new(),
            message: None,
            lent: Lent::Nothing,
        }
    }

    /// Adds bytes of the header and returns all of them so far.
    fn add_header_bytes(&mut self, input: &[u8]) -> &[u8] {
        let room = self.header.get_mut(self.header_length..).unwrap_or_default();
        let count = room.len().min(input.len());
        for (to, from) in room.iter_mut().zip(input) {
            *to = *from;
        }
        self.header_length += count;
        self.header.get(..self.header_length).unwrap_or_default()
    }
}

/// Borrows the payload that a completed frame has ended.
fn lend<'a>(
    ready: Ready,
    input: &'a [u8],
    partial: Option<&'a Partial>,
) -> Option<(Kind, Coding, &'a [u8])> {
    let (kind, coding, payload) = match ready {
        Ready::Nothing => return None,
        Ready::Input(kind, coding, range) => (kind, coding, input.get(range)),
        Ready::Control(kind) => (kind, Coding::Plain, partial.map(|kept| kept.control.as_slice())),
        Ready::Message(kind, coding) => {
            let message = partial.and_then(|kept| kept.message.as_ref());
            (kind, coding, message.map(Assembly::payload))
        }
    };
    Some((kind, coding, payload.unwrap_or_default()))
}

fn read_message(kind: Kind, payload: &[u8]) -> Result<Message<'_>, FrameFault> {
    Ok(match kind {
        Kind::Text => Message::Text(read_text(payload)?),
        // A message has the kind of its first frame, which is never a continuation.
        Kind::Binary | Kind::Continuation => Message::Binary(payload),
        Kind::Ping => Message::Ping(payload),
        Kind::Pong => Message::Pong(payload),
        Kind::Close => Message::Close(read_close(payload)?),
    })
}

/// RFC 6455 section 8.1: text that is not UTF-8 ends the connection.
fn read_text(payload: &[u8]) -> Result<&str, FrameFault> {
    simdutf8::basic::from_utf8(payload).map_err(|_| FrameFault::Utf8)
}

/// RFC 6455 section 5.5.1: empty, or a code and optionally a reason.
fn read_close(payload: &[u8]) -> Result<CloseFrame<'_>, FrameFault> {
    if payload.is_empty() {
        return Ok(CloseFrame { code: None, reason: "" });
    }
    let (code, reason) = payload.split_first_chunk().ok_or(FrameFault::Close)?;
    let code = u16::from_be_bytes(*code);
    if !is_close_code(code) {
        return Err(FrameFault::Close);
    }
    Ok(CloseFrame { code: Some(code), reason: read_text(reason)? })
}

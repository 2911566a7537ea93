//! The parts of a record that alert rules compare, in 80 bytes; its texts stand in a shared buffer.
//! Never: allocates; it is made for each record, also in a flood.

use std::net::IpAddr;

use portcullis_model::{Code, ConnectionId, LimitKey, Now, Severity};

use super::subject::{Conduct, Device, Privilege, SessionCookie, Subject};
use crate::record::fields::{Outcome, Record};

/// Longest text of a note, in bytes; longer texts are cut, so they count as one key.
pub(crate) const TEXT_MAX_BYTES: usize = 64;

/// A property of a note that is true or false.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flag {
    /// The prefix is of IPv4.
    V4,
    /// The prefix is of IPv6.
    V6,
    /// The account is privileged.
    Privileged,
    /// Clients of honest users do not cause it.
    Violation,
    /// A limit that counts by prefix rejected.
    PrefixLimit,
    /// A limit of the whole server rejected.
    TotalLimit,
    /// The event is one of administrators: `admin:…`, `user:…`.
    AdminEvent,
    /// The login came from a new device.
    NewDevice,
    /// The lost records are operations or faults of the server.
    Reserved,
    /// The request has the cookie of a user who logged in.
    SessionCookie,
}

impl Flag {
    pub(crate) fn bit(self) -> u16 {
        1 << (self as u16)
    }
}

/// A text of a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Text {
    User,
    Name,
    Origin,
    Room,
    Object,
    Reference,
}

impl Text {
    pub(crate) const ALL: [Self; 6] =
        [Self::User, Self::Name, Self::Origin, Self::Room, Self::Object, Self::Reference];

    pub(crate) fn bit(self) -> u8 {
        1 << (self as u8)
    }
}

/// One record, as rules see it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Note {
    /// Milliseconds on the monotonic clock.
    pub(crate) at_ms: u64,
    pub(crate) rule: &'static str,
    pub(crate) reason: &'static str,
    /// An IPv4 address, or the first 64 bits of an IPv6 address.
    pub(crate) prefix: u64,
    /// Zero is none.
    connection: u64,
    text_at: u32,
    text_lens: [u8; 6],
    pub(crate) code: Code,
    pub(crate) outcome: Outcome,
    pub(crate) severity: Severity,
    pub(crate) flags: u16,
}

impl Note {
    /// The parts of a record, without texts.
    pub(crate) fn new(record: &Record, subject: &Subject<'_>, now: Now) -> Self {
        let (prefix, mut flags) = match record.client {
            Some(IpAddr::V4(address)) => (u64::from(address.to_bits()), Flag::V4.bit()),
            Some(IpAddr::V6(address)) => match address.to_ipv4_mapped() {
                Some(address) => (u64::from(address.to_bits()), Flag::V4.bit()),
                None => (high_bits(address.to_bits()), Flag::V6.bit()),
            },
            None => (0, 0),
        };
        if subject.privilege == Privilege::Privileged {
            flags |= Flag::Privileged.bit();
        }
        if subject.conduct == Conduct::Violation {
            flags |= Flag::Violation.bit();
        }
        if subject.device == Device::New {
            flags |= Flag::NewDevice.bit();
        }
        if subject.cookie == SessionCookie::Valid {
            flags |= Flag::SessionCookie.bit();
        }
        if matches!(record.limit, Some((LimitKey::Prefix, _))) {
            flags |= Flag::PrefixLimit.bit();
        }
        if matches!(record.limit, Some((LimitKey::Total, _))) {
            flags |= Flag::TotalLimit.bit();
        }
        let is_admin = |event: &str| event.starts_with("admin:") || event.starts_with("user:");
        if subject.object.is_some_and(is_admin) {
            flags |= Flag::AdminEvent.bit();
        }
        Self {
            at_ms: now.monotonic_ms,
            rule: record.rule,
            reason: record.reason,
            prefix,
            connection: record.connection.map_or(0, ConnectionId::to_bits),
            text_at: 0,
            text_lens: [0; 6],
            code: record.code,
            outcome: record.outcome,
            severity: record.severity,
            flags,
        }
    }

    pub(crate) fn has(&self, flag: Flag) -> bool {
        self.flags & flag.bit() != 0
    }

    pub(crate) fn set(&mut self, flag: Flag) {
        self.flags |= flag.bit();
    }

    pub(crate) fn connection(&self) -> Option<ConnectionId> {
        (self.connection != 0).then(|| ConnectionId::from_bits(self.connection))
    }

    /// Appends the texts that rules need to a buffer; `false` when they do not fit.
    pub(crate) fn store_texts(
        &mut self,
        texts: &[Option<&str>; 6],
        buffer: &mut Buffer<'_>,
    ) -> bool {
        let kept = texts.map(|text| text.map(cut).filter(|text| !text.is_empty()));
        let needed: usize = kept.iter().flatten().map(|text| text.len()).sum();
        if buffer.bytes.len() + needed > buffer.bytes_max {
            return false;
        }
        self.text_at = u32::try_from(buffer.bytes.len()).unwrap_or(u32::MAX);
        for (len, text) in self.text_lens.iter_mut().zip(kept) {
            let text = text.unwrap_or_default();
            *len = u8::try_from(text.len()).unwrap_or(0);
            buffer.bytes.extend_from_slice(text.as_bytes());
        }
        true
    }

    /// A text, from the buffer that it was stored in.
    pub(crate) fn text<'b>(&self, which: Text, buffer: &'b [u8]) -> Option<&'b str> {
        let before = self.text_lens.iter().take(which as usize);
        let start = self.text_at as usize + before.map(|len| usize::from(*len)).sum::<usize>();
        let len = usize::from(*self.text_lens.get(which as usize)?);
        let bytes = buffer.get(start..start + len)?;
        std::str::from_utf8(bytes).ok().filter(|text| !text.is_empty())
    }
}

/// The texts of one queue, and how many bytes a note of some party may fill.
#[derive(Debug)]
pub(crate) struct Buffer<'a> {
    pub(crate) bytes: &'a mut Vec<u8>,
    pub(crate) bytes_max: usize,
}

fn high_bits(address: u128) -> u64 {
    u64::try_from(address >> 64).unwrap_or_default()
}

fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(TEXT_MAX_BYTES)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn note_is_at_most_80_bytes() {
        assert!(size_of::<Note>() <= 80, "{}", size_of::<Note>());
    }

    #[test]
    fn texts_of_a_note_are_read_back_and_cut() {
        let mut bytes = b"of another note".to_vec();
        let long = "\u{e9}".repeat(40);
        let mut note =
            Note::new(&Record::new(Code::AuthnLoginFail), &Subject::default(), Now::default());
        let mut buffer = Buffer { bytes: &mut bytes, bytes_max: 200 };
        let texts = [None, Some("ada"), Some(long.as_str()), None, Some(""), Some("ref1")];
        assert!(note.store_texts(&texts, &mut buffer));
        assert_eq!(note.text(Text::User, &bytes), None);
        assert_eq!(note.text(Text::Name, &bytes), Some("ada"));
        assert_eq!(note.text(Text::Origin, &bytes).map(str::len), Some(64));
        assert_eq!(note.text(Text::Reference, &bytes), Some("ref1"));
        assert_eq!(note.text(Text::Reference, &[]), None);
        let mut buffer = Buffer { bytes: &mut bytes, bytes_max: 90 };
        assert!(!note.store_texts(&texts, &mut buffer), "no space is left");
    }

    #[test]
    fn prefix_is_an_address_of_ipv4_or_64_bits_of_ipv6() {
        let of = |client: &str| {
            let record = Record { client: client.parse().ok(), ..Record::new(Code::MaliciousCsrf) };
            let note = Note::new(&record, &Subject::default(), Now::default());
            (note.prefix, note.has(Flag::V4), note.has(Flag::V6))
        };
        assert_eq!(of("192.0.2.1"), (0xc000_0201, true, false));
        assert_eq!(of("::ffff:192.0.2.1"), (0xc000_0201, true, false));
        assert_eq!(of("2001:db8:0:7::1"), (0x2001_0db8_0000_0007, false, true));
        assert_eq!(of(""), (0, false, false));
    }
}

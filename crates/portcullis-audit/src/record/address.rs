//! The form in which addresses of clients are recorded: whole, as a network, or as a pseudonym.
//! Never: in the way of limits and alert rules; they count by the whole address.

use std::borrow::Cow;
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use aws_lc_rs::hmac;

/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;
/// Bytes of a pseudonym.
const PSEUDONYM_BYTES: usize = 10;
/// Bits of an address that are kept as a network.
const V4_BITS: u8 = 24;
const V6_BITS: u8 = 48;

/// The form in which addresses of clients are recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AddressForm {
    /// The whole address and the port.
    #[default]
    Full,
    /// The IPv4 /24 or IPv6 /48.
    Prefix,
    /// A keyed hash: equal on one day for equal addresses, and different on another day.
    Pseudonym,
}

impl AddressForm {
    /// All forms.
    pub const ALL: [Self; 3] = [Self::Full, Self::Prefix, Self::Pseudonym];

    /// The word in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Prefix => "prefix",
            Self::Pseudonym => "pseudonym",
        }
    }
}

/// Writes addresses in the configured form.
#[derive(Debug)]
pub(crate) struct Addresses {
    form: AddressForm,
    key: hmac::Key,
}

/// An address as it is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RecordedAddress {
    /// For `source.ip`, with the port.
    Whole(IpAddr),
    /// For `source.ip`, without the port.
    Network(IpAddr),
    /// For `source.address`.
    Pseudonym(String),
}

impl Addresses {
    pub(crate) fn new(form: AddressForm, key: hmac::Key) -> Self {
        Self { form, key }
    }

    /// The recorded form of an address.
    pub(crate) fn recorded(&self, address: IpAddr, unix_ms: i64) -> RecordedAddress {
        let address = address.to_canonical();
        match self.form {
            AddressForm::Full => RecordedAddress::Whole(address),
            AddressForm::Prefix => RecordedAddress::Network(network(address, bits(address))),
            AddressForm::Pseudonym => RecordedAddress::Pseudonym(self.pseudonym(address, unix_ms)),
        }
    }

    /// A label that can be an address or a network, such as `192.0.2.1` or `prefix 192.0.2.1/32`.
    pub(crate) fn label<'a>(&self, text: &'a str, unix_ms: i64) -> Cow<'a, str> {
        if self.form == AddressForm::Full {
            return Cow::Borrowed(text);
        }
        let (kind, value) = match text.strip_prefix("prefix ") {
            Some(value) => ("prefix ", value),
            None => ("", text),
        };
        let (address, length) = match value.split_once('/') {
            Some((address, length)) => (address, length.parse::<u8>().ok()),
            None => (value, Some(u8::MAX)),
        };
        let (Ok(address), Some(length)) = (address.parse::<IpAddr>(), length) else {
            return Cow::Borrowed(text);
        };
        Cow::Owned(match self.recorded(address, unix_ms) {
            RecordedAddress::Whole(_) => String::from(text),
            RecordedAddress::Network(network) => {
                format!("{kind}{network}/{}", length.min(bits(network)))
            }
            RecordedAddress::Pseudonym(pseudonym) => format!("{kind}{pseudonym}"),
        })
    }

    fn pseudonym(&self, address: IpAddr, unix_ms: i64) -> String {
        let day = unix_ms.div_euclid(DAY_MS);
        // The prefix keeps it apart from hashes of session ids, which have the same key.
        let text = format!("address {day} {address}");
        let hash = hmac::sign(&self.key, text.as_bytes());
        let mut pseudonym = String::from("p_");
        for byte in hash.as_ref().iter().take(PSEUDONYM_BYTES) {
            let _ = write!(pseudonym, "{byte:02x}");
        }
        pseudonym
    }
}

fn bits(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => V4_BITS,
        IpAddr::V6(_) => V6_BITS,
    }
}

fn network(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or_default();
            Ipv4Addr::from_bits(address.to_bits() & mask).into()
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or_default();
            Ipv6Addr::from_bits(address.to_bits() & mask).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(form: AddressForm) -> Addresses {
        Addresses::new(form, hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]))
    }

    #[test]
    fn address_is_recorded_in_the_configured_form() {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let of = |form, text| addresses(form).recorded(address(text), 0);
        let (full, prefix) = (AddressForm::Full, AddressForm::Prefix);
        for (form, text, expect) in [
            (full, "::ffff:203.0.113.7", RecordedAddress::Whole(address("203.0.113.7"))),
            (prefix, "203.0.113.7", RecordedAddress::Network(address("203.0.113.0"))),
            (prefix, "2001:db8:1:2::3", RecordedAddress::Network(address("2001:db8:1::"))),
        ] {
            assert_eq!(of(form, text), expect);
        }
    }

    #[test]
    fn pseudonym_is_equal_within_a_day_and_depends_on_the_key() {
        let address = "203.0.113.7".parse().unwrap();
        let of = |key: u8, unix_ms| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, &[key; 32]);
            Addresses::new(AddressForm::Pseudonym, key).pseudonym(address, unix_ms)
        };
        let first = of(7, 0);
        assert_eq!(first.len(), 2 + 2 * PSEUDONYM_BYTES);
        assert_eq!(first, of(7, DAY_MS - 1));
        assert_ne!(first, of(7, DAY_MS));
        assert_ne!(first, of(8, 0));
    }

    #[test]
    fn labels_have_the_same_form() {
        let prefix = addresses(AddressForm::Prefix);
        for (text, expect) in [
            ("203.0.113.7", "203.0.113.0/24"),
            ("203.0.113.7/32", "203.0.113.0/24"),
            ("prefix 2001:db8:1:2::/64", "prefix 2001:db8:1::/48"),
            ("2001:db8::/32", "2001:db8::/32"),
            ("user u1", "user u1"),
            ("no prefix", "no prefix"),
        ] {
            assert_eq!(prefix.label(text, 0), expect);
        }
        let label =
            addresses(AddressForm::Pseudonym).label("prefix 203.0.113.7/32", 0).into_owned();
        assert!(label.starts_with("prefix p_") && !label.contains("203"), "{label}");
        assert_eq!(addresses(AddressForm::Full).label("203.0.113.7/32", 0), "203.0.113.7/32");
    }
}

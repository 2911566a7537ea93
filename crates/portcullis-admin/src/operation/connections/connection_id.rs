//! The id of a connection, as lists and records write it.
//! Never: whether such a connection exists.

use portcullis_model::{ConnectionId, Denial};

/// Reads `SHARD-NUMBER`.
pub(crate) fn read_id(text: &str) -> Option<ConnectionId> {
    let (shard, number) = text.split_once('-')?;
    Some(ConnectionId { shard: shard.parse().ok()?, number: number.parse().ok()? })
}

/// The denial for an id that no open connection has.
pub(crate) fn unknown() -> Denial {
    Denial::app("connection_unknown", "no open connection has this id")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_is_read_as_it_is_written() {
        for (text, expect) in [
            ("3-17", Some(ConnectionId { shard: 3, number: 17 })),
            ("3", None),
            ("3-", None),
            ("-3-17", None),
            ("70000-1", None),
            ("", None),
        ] {
            assert_eq!(read_id(text), expect, "{text}");
            assert!(expect.is_none_or(|id| id.to_string() == text), "{text}");
        }
    }
}

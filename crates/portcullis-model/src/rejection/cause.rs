//! The cause of a rejection that the client's developer can fix, where one text covers several.
//! Never: causes about users, tokens, rooms or sessions, which must read alike. Payloads have
//! causes only for the public rules of texts (T-119).

use super::denial::Denial;

impl Denial {
    /// The cause, for the client's developer; `None` if the message names it, or if the client must
    /// not learn more.
    #[must_use]
    pub fn cause(&self) -> Option<&'static str> {
        match self {
            Self::OriginForbidden => {
                Some("header Origin is not listed in [origin] allowed, exactly as it is sent")
            }
            Self::TwoCredentials => {
                Some("two credentials were sent: send one, in auth or in header Authorization")
            }
            Self::EngineVersion => {
                Some("EIO is not 4: socket.io-client 3 or later is required, or EIO=4")
            }
            Self::TransportUnknown => Some("transport is not \"polling\" or \"websocket\""),
            Self::PasswordWeak(why) => Some(why.sentence()),
            Self::Parameters(word) => Some(parameter_cause(word)),
            Self::Polling(word) => Some(polling_cause(word)),
            Self::Schema { rule, .. } => text_cause(rule),
            Self::Json("surrogate") => text_cause("surrogate"),
            Self::Frame(word) | Self::Packet(word) | Self::Sequence(word) => Some(word),
            _ => None,
        }
    }
}

/// The cause for a text of a user, such as a message or name, without any part of the text.
fn text_cause(rule: &'static str) -> Option<&'static str> {
    match rule {
        "text_long" => Some("the text is longer than 1,000 characters"),
        "long" => Some("the text is too long"),
        "empty" => Some("the text is empty, or has only invisible characters"),
        "control" => Some("the name has a control character or a Unicode noncharacter"),
        "noncharacter" => Some("the text has a Unicode noncharacter, such as U+FFFF"),
        "surrogate" => Some("a string has half of a surrogate pair: send whole characters"),
        "marks" => Some("a letter of the name has more than 8 combining marks"),
        "invisible" => Some("the name has an invisible character"),
        "whitespace" => Some("the name has whitespace other than the space character"),
        "markup" => Some("the name has < or >"),
        "spaces" => Some("the name begins or ends with a space"),
        "markup_depth" => Some("formatting is nested more than 32 levels deep"),
        "markup_size" => Some("the text has more than 256 tags, or more than 16 KiB with markup"),
        _ => None,
    }
}

fn parameter_cause(word: &'static str) -> &'static str {
    match word {
        "too_many" => "the URL has more than 64 parameters",
        "doubled" => "EIO, transport, sid or t is in the URL twice",
        "listed" => "EIO, transport or sid is written as a list",
        "empty" => "EIO, transport, sid or t is in the URL without a value",
        "jsonp" => "JSONP polling is not offered: remove parameter j",
        "sid" => "sid is not 1 to 64 characters of A-Z a-z 0-9 _ -",
        other => other,
    }
}

fn polling_cause(word: &'static str) -> &'static str {
    match word {
        "poll_overlap" => "a second poll was sent before the first was answered",
        "post_overlap" => "a second post was sent before the first was answered",
        "transport_mismatch" => "the session uses WebSocket, this request long-polling",
        "session_ended" => "the body broke the protocol, and the session has ended",
        "packets" => "the body has too many packets",
        "size" => "a packet of the body is larger than a message may be",
        "empty" => "the body, or a packet of it, is empty",
        "engine_type" => "a packet of the body has a type that clients do not send",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rejection::TokenFault;

    #[test]
    fn only_requests_that_the_developer_can_change_have_a_cause() {
        let named = [
            Denial::OriginForbidden,
            Denial::TwoCredentials,
            Denial::Parameters("doubled"),
            Denial::Polling("poll_overlap"),
            Denial::Packet("engine_type"),
            Denial::Json("surrogate"),
            Denial::Schema { field: Some("message"), rule: "text_long" },
            Denial::Schema { field: Some("message"), rule: "empty" },
            Denial::Schema { field: Some("message"), rule: "markup_depth" },
            Denial::Schema { field: Some("name"), rule: "control" },
        ];
        assert!(named.iter().all(|denial| denial.cause().is_some_and(|text| text.len() > 5)));
        let silent = [
            Denial::Token(TokenFault::Missing),
            Denial::Token(TokenFault::Signature),
            Denial::Token(TokenFault::Revoked),
            Denial::Forbidden("not_owner"),
            Denial::Json("depth"),
            Denial::Schema { field: Some("message"), rule: "type" },
            Denial::Schema { field: Some("roomId"), rule: "value" },
            Denial::Schema { field: Some("replyTo"), rule: "reply_missing" },
            Denial::Schema { field: Some("password"), rule: "password_size" },
            Denial::SessionUnknown("prefix"),
            Denial::Login { reason: "wrong_password", username: None },
        ];
        assert!(silent.iter().all(|denial| denial.cause().is_none()));
    }

    #[test]
    fn client_reads_the_cause_of_a_bad_request() {
        let causes = [
            Denial::RequestMalformed,
            Denial::Host,
            Denial::OriginMissing,
            Denial::OriginForbidden,
            Denial::TwoCredentials,
            Denial::Polling("size"),
            Denial::Parameters("sid"),
            Denial::UpgradeMalformed,
            Denial::Packet("empty"),
            Denial::Frame("unmasked"),
            Denial::Sequence("second_connect"),
            Denial::CrossSite,
        ];
        for denial in causes {
            let bare = ["Bad request", "Forbidden", "Protocol error"];
            let is_bare = bare.contains(&denial.answer().message);
            assert!(!is_bare || denial.cause().is_some(), "{denial:?}");
        }
    }
}

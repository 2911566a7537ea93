//! Offers of permessage-deflate (RFC 7692 section 7.1) as header lines, and their answers.
//! Never: a parameter in the answer that the client did not allow.

use portcullis_wire::websocket::deflate::negotiate;

/// The answer without a parameter for windows.
const PLAIN: Option<&str> =
    Some("permessage-deflate; server_no_context_takeover; client_no_context_takeover");

/// The lines of one handshake, and the value of the answer, if there is one.
type Row = (&'static [&'static str], Option<&'static str>);

const OFFERS: [Row; 36] = [
    // Offers of well-known clients.
    (&["permessage-deflate"], PLAIN),
    (&["permessage-deflate; client_max_window_bits"], PLAIN),
    (&["permessage-deflate; client_no_context_takeover; client_max_window_bits"], PLAIN),
    (&["permessage-deflate; server_no_context_takeover; client_no_context_takeover"], PLAIN),
    (&["permessage-deflate; client_max_window_bits=15; server_max_window_bits=15"], PLAIN),
    (
        &["permessage-deflate; client_max_window_bits; server_max_window_bits=9"],
        Some(
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
             server_max_window_bits=9",
        ),
    ),
    (
        &["permessage-deflate; server_max_window_bits=14, permessage-deflate"],
        Some(
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
             server_max_window_bits=14",
        ),
    ),
    // The first suitable offer of all lines.
    (&["permessage-deflate; server_max_window_bits=8, permessage-deflate"], PLAIN),
    (&["permessage-deflate; server_max_window_bits=8", "permessage-deflate"], PLAIN),
    (&["x-webkit-deflate-frame, permessage-deflate"], PLAIN),
    (&["permessage-bzip2; level=9, , permessage-deflate; client_max_window_bits=8"], PLAIN),
    // Other extensions.
    (&[], None),
    (&[""], None),
    (&["x-webkit-deflate-frame"], None),
    (&["perframe-deflate"], None),
    (&["permessage-deflate2"], None),
    (&["deflate", "permessage", "-deflate"], None),
    (&["constructor, __proto__, toString"], None),
    (&["\"permessage-deflate\""], None),
    (&["x; y=\"z, permessage-deflate\""], None),
    // Parameters that are unknown, repeated, without a value, or with a superfluous value.
    (&["permessage-deflate; level=9"], None),
    (&["permessage-deflate; __proto__"], None),
    (&["permessage-deflate; server_no_context_takeover=true"], None),
    (&["permessage-deflate; client_no_context_takeover=\"\""], None),
    (&["permessage-deflate; server_no_context_takeover; server_no_context_takeover"], None),
    (&["permessage-deflate; server_max_window_bits=10; server_max_window_bits=10"], None),
    (&["permessage-deflate; client_max_window_bits; client_max_window_bits=10"], None),
    (&["permessage-deflate; server_max_window_bits"], None),
    (&["permessage-deflate;; client_max_window_bits"], None),
    // Windows out of range or misspelled.
    (&["permessage-deflate; server_max_window_bits=7"], None),
    (&["permessage-deflate; server_max_window_bits=16"], None),
    (&["permessage-deflate; client_max_window_bits=16"], None),
    (&["permessage-deflate; client_max_window_bits=0"], None),
    (&["permessage-deflate; client_max_window_bits=-9"], None),
    (&["permessage-deflate; client_max_window_bits=9.0"], None),
    (&["permessage-deflate; server_max_window_bits=18446744073709551625"], None),
];

pub(crate) fn check() {
    for (lines, expect) in OFFERS {
        let agreement = negotiate(lines.iter().map(|line| line.as_bytes()));
        let answer = agreement.map(|agreement| agreement.answer());
        assert_eq!(answer.as_deref(), expect, "{lines:?}");
    }
}

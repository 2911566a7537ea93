//! The attack cases of a drill, a file for each subject.
//! Never: a flood; a case sends a few requests, those about rates and violations 150 at most.

pub(crate) mod case; // a case, its verdict, shared judgements
mod tls; // plain text, versions, certificate, HSTS
mod origin; // pages of other sites
mod host; // wrong names of the server
mod address; // forged addresses of clients
mod authentication; // missing and forged tokens
mod smuggling; // requests that two readers could end at different places
mod headers; // security headers and CORS
mod paths; // paths that clients must not reach
mod frames; // malformed WebSocket frames
mod packets; // malformed packets of Socket.IO
mod slow; // slow clients, all at the same time
mod limits; // sizes and rates
mod block; // the block after violations, which is the last case

use self::case::Group;

/// All cases in their order.
pub(crate) const GROUPS: &[Group] = &[
    tls::GROUP,
    origin::GROUP,
    host::GROUP,
    address::GROUP,
    authentication::GROUP,
    smuggling::GROUP,
    headers::GROUP,
    paths::GROUP,
    frames::GROUP,
    packets::GROUP,
    slow::GROUP,
    limits::GROUP,
    block::GROUP,
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn cases_have_unique_ids_and_complete_texts() {
        let cases: Vec<_> = GROUPS.iter().flat_map(|group| group.cases).collect();
        let ids: HashSet<_> = cases.iter().map(|case| case.id).collect();
        assert_eq!(ids.len(), cases.len());
        assert!(cases.len() >= 50, "{}", cases.len());
        for case in cases {
            let is_word =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            assert!(case.id.bytes().all(is_word), "{}", case.id);
            for text in [case.name, case.threat, case.sent, case.expected, case.fix] {
                assert!(text.len() > 3 && text.len() <= 300, "{}: {text:?}", case.id);
            }
        }
    }

    /// The page lists every case with its id, so that operators find what a case is about.
    #[test]
    fn every_case_is_in_the_documentation() {
        const PAGE: &str = include_str!("../../../../../docs/drill.md");
        for case in GROUPS.iter().flat_map(|group| group.cases) {
            assert!(PAGE.contains(&format!("`{}`", case.id)), "docs/drill.md has no {}", case.id);
        }
    }
}

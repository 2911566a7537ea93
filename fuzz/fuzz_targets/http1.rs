//! Request heads: no panic, and one reading whatever follows.
//! Never: a judgement of which requests are welcome.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_wire::http1::{
    HeadFault, HeadLimits, head_end, parse_head, read_upgrade, wants_upgrade, write_response_head,
};

const LIMITS: HeadLimits =
    HeadLimits { head_max_bytes: 2_048, headers_max: 16, target_max_bytes: 256 };

fuzz_target!(|data: &[u8]| {
    let end = head_end(data, 0);
    for searched in 0..data.len().min(64) {
        if end.is_none_or(|end| searched < end) {
            assert_eq!(head_end(data, searched), end);
        }
    }
    let parsed = parse_head(data, &LIMITS);
    let Ok(Some(head)) = parsed else {
        assert!(parsed != Ok(None) || (end.is_none() && data.len() < LIMITS.head_max_bytes));
        return;
    };
    assert_eq!(Some(head.length), end);
    assert!(head.length <= LIMITS.head_max_bytes);
    assert!(head.headers.len() <= LIMITS.headers_max);
    assert!(head.target.len() <= LIMITS.target_max_bytes);
    assert!(head.path.starts_with('/'));
    assert!(head.target.ends_with(head.query));
    assert_eq!(parse_head(&data[..head.length], &LIMITS).as_ref(), Ok(&Some(head.clone())));
    for (name, value) in &head.headers {
        assert!(!name.is_empty());
        assert!(!value.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t'));
    }
    if let Ok(upgrade) = read_upgrade(&head) {
        assert!(wants_upgrade(&head));
        assert_eq!(upgrade.key.len(), 24);
        assert!(upgrade.protocols.len() <= 16);
    }

    // What a peer sent cannot break an answer that repeats it.
    let lossy: Vec<(&str, String)> = head
        .headers
        .iter()
        .map(|(name, value)| (*name, String::from_utf8_lossy(value).into_owned()))
        .collect();
    let lines: Vec<(&str, &str)> =
        lossy.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut out = Vec::new();
    write_response_head(&mut out, 200, &lines);
    assert_eq!(head_end(&out, 0), Some(out.len()));
    assert_ne!(parse_head(&out, &LIMITS).err(), Some(HeadFault::Malformed("bare_line_feed")));
});

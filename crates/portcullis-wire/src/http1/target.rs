//! The request target (RFC 9112 section 3.2): path, query and authority.
//! Never: decodes a path, removes dot segments, or reads a path a second time.

/// The parts of a target.
pub(crate) struct Target<'a> {
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    pub(crate) authority: Option<&'a str>,
}

/// Reads a target in origin-form or absolute-form; the server has no resources of other forms.
pub(crate) fn read_target(target: &str) -> Option<Target<'_>> {
    let (authority, rest) = match target.split_once("://") {
        Some((scheme, rest)) if is_web_scheme(scheme) => {
            let (authority, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
            is_authority(authority).then_some((Some(authority), rest))?
        }
        _ => (None, target),
    };
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let path = match authority {
        // RFC 9110 section 4.2.3: an empty path with an authority is the same as `/`.
        Some(_) if path.is_empty() => "/",
        _ => path,
    };
    let is_valid = path.starts_with('/') && is_path(path.as_bytes()) && is_query(query.as_bytes());
    is_valid.then_some(Target { path, query, authority })
}

fn is_web_scheme(scheme: &str) -> bool {
    scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")
}

/// Host and port. RFC 9110 section 4.2.4: a recipient should treat user information as an error.
fn is_authority(authority: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    !authority.is_empty() && authority.bytes().all(plain)
}

/// RFC 3986 section 3.3.
fn is_path(path: &[u8]) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/%".contains(&byte);
    path.iter().copied().all(plain) && has_valid_percent_encoding(path)
}

/// The characters that browsers leave unescaped in a query (WHATWG URL), some more than RFC 3986.
fn is_query(query: &[u8]) -> bool {
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"\"#<>\\".contains(&byte);
    query.iter().copied().all(plain) && has_valid_percent_encoding(query)
}

/// Whether two hexadecimal digits follow every `%`.
fn has_valid_percent_encoding(bytes: &[u8]) -> bool {
    let digits = |rest: &[u8]| {
        matches!(rest, [b'%', high, low, ..]
            if high.is_ascii_hexdigit() && low.is_ascii_hexdigit())
    };
    memchr::memchr_iter(b'%', bytes).all(|at| bytes.get(at..).is_some_and(digits))
}

//! Freshness of a response (RFC 9111 section 5.2.2), and the next request.
//! Never: longer than a day.

use hyper::header::{CACHE_CONTROL, DATE, HeaderMap, RETRY_AFTER};

/// The longest time that a response is cached.
const MAX_AGE_S_MAX: u64 = 24 * 60 * 60;

/// Seconds for which the response may be cached; `None` if it does not say.
/// The smallest of several values counts. `no-store`, `no-cache` and invalid numbers count as 0.
pub(crate) fn max_age_s(headers: &HeaderMap) -> Option<u64> {
    let lines = headers.get_all(CACHE_CONTROL).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).filter_map(directive).min()
}

/// The wait before the next request (RFC 9110 section 10.2.3), in seconds.
///
/// It is a day at most.
///
/// A date is compared with the `Date` of the response, because the clocks of both machines can
/// differ. Without `Date` it counts as none.
#[must_use]
pub fn retry_after_s(headers: &HeaderMap) -> Option<u64> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(seconds(text));
    }
    let then = httpdate::parse_http_date(text).ok()?;
    let now = httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?).ok()?;
    let wait = then.duration_since(now).unwrap_or_default();
    Some(wait.as_secs().min(MAX_AGE_S_MAX))
}

fn directive(text: &str) -> Option<u64> {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    match name.trim().to_ascii_lowercase().as_str() {
        "max-age" => Some(seconds(value.trim().trim_matches('"'))),
        "no-store" | "no-cache" => Some(0),
        _ => None,
    }
}

fn seconds(digits: &str) -> u64 {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return 0;
    }
    // RFC 9111 section 1.2.2: a number that is too large counts as the largest one.
    digits.parse().unwrap_or(MAX_AGE_S_MAX).min(MAX_AGE_S_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    fn check(lines: &[&'static str], expect: Option<u64>) {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(CACHE_CONTROL, HeaderValue::from_static(line));
        }
        assert_eq!(max_age_s(&headers), expect, "{lines:?}");
    }

    #[test]
    fn max_age_is_read_and_bounded() {
        check(&[], None);
        check(&["public"], None);
        check(&["max-age=60"], Some(60));
        check(&["public, Max-Age=60, must-revalidate"], Some(60));
        check(&["max-age=\"60\""], Some(60));
        check(&["s-maxage=5, max-age=60"], Some(60));
        check(&["max-age=0"], Some(0));
        check(&["max-age=86400"], Some(86_400));
        check(&["max-age=86401"], Some(86_400));
        check(&["max-age=99999999999999999999999"], Some(86_400));
        check(&["max-age=60", "max-age=30"], Some(30));
        check(&["max-age=60, no-store"], Some(0));
        check(&["no-cache=\"set-cookie\""], Some(0));
        check(&["max-age"], Some(0));
        check(&["max-age=-1"], Some(0));
        check(&["max-age=+1"], Some(0));
        check(&["max-age=1.5"], Some(0));
    }

    #[test]
    fn retry_after_is_a_bounded_number_of_seconds() {
        for (text, expect) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("99999999999999999999", Some(86_400)),
            ("Wed, 21 Oct 2026 07:28:00 GMT", None),
            ("-1", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            assert_eq!(retry_after_s(&headers), None);
            headers.append(RETRY_AFTER, HeaderValue::from_static(text));
            assert_eq!(retry_after_s(&headers), expect, "{text}");
        }
    }

    #[test]
    fn retry_after_as_a_date_is_relative_to_the_clock_of_the_sender() {
        const DATE_TEXT: &str = "Wed, 21 Oct 2026 07:28:00 GMT";
        for (text, date, expect) in [
            ("Wed, 21 Oct 2026 07:30:05 GMT", DATE_TEXT, Some(125)),
            ("Wednesday, 21-Oct-26 07:30:05 GMT", DATE_TEXT, Some(125)),
            ("Wed Oct 21 07:30:05 2026", DATE_TEXT, Some(125)),
            (DATE_TEXT, DATE_TEXT, Some(0)),
            ("Wed, 21 Oct 2026 07:27:59 GMT", DATE_TEXT, Some(0)),
            ("Fri, 23 Oct 2026 07:28:00 GMT", DATE_TEXT, Some(86_400)),
            ("Wed, 21 Oct 2026 07:30:05 GMT", "soon", None),
            ("Wed, 21 Oct 2026 07:30:05", DATE_TEXT, None),
            ("Wed, 32 Oct 2026 07:30:05 GMT", DATE_TEXT, None),
        ] {
            let mut headers = HeaderMap::new();
            headers.append(RETRY_AFTER, HeaderValue::from_static(text));
            headers.append(DATE, HeaderValue::from_static(date));
            assert_eq!(retry_after_s(&headers), expect, "{text}");
        }
    }
}

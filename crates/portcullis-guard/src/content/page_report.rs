//! A browser's report of a violated page policy, reduced to the facts that are recorded.
//! Never: text of the page, a query, a fragment, or a word that is not on a list.

use portcullis_model::Denial;
use serde::Deserialize;
use serde_json::Value;

use crate::payload::json;

/// The path to which browsers send reports.
pub const REPORT_PATH: &str = "/csp-report";
/// The largest body of a report, in bytes.
pub const REPORT_MAX_BYTES: usize = 8 * 1024;
/// Violations of one request that count; a browser sends several in one body.
const VIOLATIONS_MAX: usize = 8;
/// The longest origin that is kept, in bytes.
const ORIGIN_MAX_BYTES: usize = 256;
/// A directive or source that is not on the list.
const OTHER: &str = "other";

/// The directives that a violation can name (Content Security Policy Level 3, section 6).
const DIRECTIVES: [&str; 24] = [
    "base-uri",
    "child-src",
    "connect-src",
    "default-src",
    "fenced-frame-src",
    "font-src",
    "form-action",
    "frame-ancestors",
    "frame-src",
    "img-src",
    "manifest-src",
    "media-src",
    "object-src",
    "require-trusted-types-for",
    "sandbox",
    "script-src",
    "script-src-attr",
    "script-src-elem",
    "style-src",
    "style-src-attr",
    "style-src-elem",
    "trusted-types",
    "upgrade-insecure-requests",
    "worker-src",
];
/// Blocked resources without an origin (CSP Level 3, section 5.3), and schemes without a host.
const SOURCES: [&str; 10] = [
    "inline",
    "eval",
    "wasm-eval",
    "self",
    "trusted-types-policy",
    "trusted-types-sink",
    "data",
    "blob",
    "about",
    "filesystem",
];

/// The media type of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportFormat {
    /// `application/csp-report`, which `report-uri` causes: one violation.
    Csp,
    /// `application/reports+json`, which `report-to` causes: a list of reports of any type.
    Reporting,
}

/// One violation of the policy of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyViolation {
    /// The violated directive, or `other`.
    pub directive: &'static str,
    /// The origin of the blocked resource, a word such as `inline`, or `other`.
    pub blocked: String,
    /// The path of the page, without query and fragment.
    pub path: Option<String>,
}

#[derive(Deserialize)]
struct CspBody {
    #[serde(rename = "csp-report")]
    report: CspReport,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct CspReport {
    document_uri: Option<String>,
    blocked_uri: Option<String>,
    effective_directive: Option<String>,
    violated_directive: Option<String>,
}

#[derive(Deserialize)]
struct Report {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    body: Value,
}

#[derive(Deserialize)]
struct ReportBody {
    #[serde(rename = "documentURL")]
    document: Option<String>,
    #[serde(rename = "blockedURL")]
    blocked: Option<String>,
    #[serde(rename = "effectiveDirective")]
    directive: Option<String>,
}

/// Reads the violations of a report; reports of other types are ignored.
///
/// # Errors
/// [`Denial::Json`] and [`Denial::Schema`] for a body that no browser sends.
pub fn read_reports(format: ReportFormat, body: &[u8]) -> Result<Vec<PolicyViolation>, Denial> {
    let text = std::str::from_utf8(body).map_err(|_| Denial::Json("utf8"))?;
    json::scan(text)?;
    let invalid = |_| Denial::Schema { field: None, rule: "report" };
    match format {
        ReportFormat::Csp => {
            let CspBody { report } = serde_json::from_str(text).map_err(invalid)?;
            let directive = report.effective_directive.or(report.violated_directive);
            Ok(vec![violation(directive, report.blocked_uri, report.document_uri)])
        }
        ReportFormat::Reporting => {
            let reports: Vec<Report> = serde_json::from_str(text).map_err(invalid)?;
            let violations = reports.into_iter().filter(|report| report.kind == "csp-violation");
            let read = |report: Report| {
                let body: ReportBody = serde_json::from_value(report.body).map_err(invalid)?;
                Ok(violation(body.directive, body.blocked, body.document))
            };
            violations.take(VIOLATIONS_MAX).map(read).collect()
        }
    }
}

fn violation(
    directive: Option<String>,
    blocked: Option<String>,
    document: Option<String>,
) -> PolicyViolation {
    PolicyViolation {
        directive: known_directive(&directive.unwrap_or_default()),
        blocked: source(&blocked.unwrap_or_default()),
        path: document.as_deref().and_then(path),
    }
}

/// The directive on the list. Older browsers send it with its sources: `script-src 'self'`.
fn known_directive(text: &str) -> &'static str {
    let name = text.split_ascii_whitespace().next().unwrap_or_default();
    DIRECTIVES.into_iter().find(|known| *known == name).unwrap_or(OTHER)
}

/// The origin of a blocked resource, or the word for one without an origin.
fn source(blocked: &str) -> String {
    let Some((scheme, rest)) = blocked.split_once("://") else {
        // `data:text/html,…` and `data` are the same.
        let word = blocked.split(':').next().unwrap_or_default();
        return String::from(SOURCES.into_iter().find(|known| *known == word).unwrap_or(OTHER));
    };
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let is_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    let is_origin = !host.is_empty()
        && scheme.bytes().all(is_scheme)
        && host.bytes().all(is_host)
        && scheme.len() + host.len() < ORIGIN_MAX_BYTES;
    if is_origin { format!("{scheme}://{host}") } else { String::from(OTHER) }
}

/// The path of an address, without query and fragment.
fn path(address: &str) -> Option<String> {
    let (_, rest) = address.split_once("://")?;
    let end = rest.find(['?', '#']).unwrap_or(rest.len());
    let (before, _) = rest.split_at(end);
    let start = before.find('/')?;
    before.get(start..).map(String::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn csp(json: &str) -> Result<Vec<PolicyViolation>, Denial> {
        read_reports(ReportFormat::Csp, json.as_bytes())
    }

    fn reporting(json: &str) -> Result<Vec<PolicyViolation>, Denial> {
        read_reports(ReportFormat::Reporting, json.as_bytes())
    }

    fn expect(directive: &'static str, blocked: &str, path: Option<&str>) -> PolicyViolation {
        let (blocked, path) = (String::from(blocked), path.map(String::from));
        PolicyViolation { directive, blocked, path }
    }

    #[test]
    fn t167_reports_of_browsers_are_read_without_query_fragment_and_sample() {
        let firefox = r##"{"csp-report":{"blocked-uri":"inline","column-number":1,"document-uri":
            "https://chat.example/room?token=secret#key","effective-directive":"script-src-elem",
            "original-policy":"default-src 'none'","referrer":"https://x.example/?secret",
            "status-code":200,"violated-directive":"script-src-elem","script-sample":"secret"}}"##;
        assert_eq!(csp(firefox), Ok(vec![expect("script-src-elem", "inline", Some("/room"))]));
        let old = r#"{"csp-report":{"blocked-uri":"https://u:p@evil.example:8443/a?secret",
            "document-uri":"https://chat.example/","violated-directive":"img-src 'self'"}}"#;
        let blocked = "https://evil.example:8443";
        assert_eq!(csp(old), Ok(vec![expect("img-src", blocked, Some("/"))]));
        let chromium = r##"[{"age":5,"body":{"blockedURL":"trusted-types-sink","disposition":
            "enforce","documentURL":"https://chat.example/#room","effectiveDirective":
            "require-trusted-types-for","sample":"Element innerHTML|secret"},"type":
            "csp-violation","url":"https://chat.example/","user_agent":"Mozilla"},
            {"type":"deprecation","body":{"id":"x"},"url":"https://chat.example/"}]"##;
        let one = expect("require-trusted-types-for", "trusted-types-sink", Some("/"));
        assert_eq!(reporting(chromium), Ok(vec![one]));
    }

    #[test]
    fn t167_text_of_a_report_that_is_on_no_list_is_not_kept() {
        let cases = [
            ("https://evil.example/secret", "https://evil.example"),
            ("wss://[2001:db8::1]:9/x", "wss://[2001:db8::1]:9"),
            ("data:text/html,secret", "data"),
            ("blob", "blob"),
            ("eval", "eval"),
            ("a secret", "other"),
            ("", "other"),
            ("javascript://secret value/", "other"),
            ("https://\u{202e}evil.example/", "other"),
            ("https://a.example\\@b.example/", "https://a.example"),
        ];
        for (blocked, expect) in cases {
            assert_eq!(source(blocked), expect, "{blocked}");
        }
        assert_eq!(source(&format!("https://{}.example", "a".repeat(400))), "other");
        for (directive, expect) in [
            ("script-src-elem", "script-src-elem"),
            ("script-src 'self' https://secret", "script-src"),
            ("secret", "other"),
            ("", "other"),
        ] {
            assert_eq!(known_directive(directive), expect);
        }
        for (address, expect) in [
            ("https://chat.example/a/b?c#d", Some("/a/b")),
            ("https://chat.example/a#/b?c", Some("/a")),
            ("https://chat.example", None),
            ("https://chat.example?x=/secret", None),
            ("about", None),
            ("data:text/html,secret", None),
        ] {
            assert_eq!(path(address).as_deref(), expect, "{address}");
        }
    }

    #[test]
    fn t167_malformed_reports_are_rejected_and_long_lists_are_cut() {
        let nested = format!("{}{}", "[".repeat(4_000), "]".repeat(4_000));
        for body in ["", "{", "[]", "7", "{\"csp-report\":7}", "{\"csp-report\":[]}", &nested] {
            assert!(csp(body).is_err(), "{body}");
        }
        for body in ["", "{}", "[7]", "[{}]", "[{\"type\":\"csp-violation\",\"body\":7}]", &nested]
        {
            assert!(reporting(body).is_err(), "{body}");
        }
        assert!(
            read_reports(ReportFormat::Csp, b"{\"csp-report\":{\"blocked-uri\":\"\xff\"}}")
                .is_err()
        );
        assert_eq!(reporting("[]"), Ok(Vec::new()));
        assert_eq!(csp("{\"csp-report\":{}}"), Ok(vec![expect("other", "other", None)]));
        let one = r#"{"type":"csp-violation","body":{}}"#;
        let many = format!("[{}]", [one; 50].join(","));
        assert_eq!(reporting(&many).map(|list| list.len()), Ok(VIOLATIONS_MAX));
    }
}

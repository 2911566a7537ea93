//! Why an authority issued no certificate, as text for people.
//! Never: a control character of the authority in a log, or more than a few lines.

use std::error::Error as _;

use instant_acme::{Error, Identifier, Problem};

/// The longest text of a failure, in characters.
const TEXT_MAX_CHARS: usize = 600;
/// The prefix of the types of problems (RFC 8555 section 6.7).
const TYPES: &str = "urn:ietf:params:acme:error:";

/// The kinds of failures that have different waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FailureKind {
    /// The authority accepts no more requests for now.
    RateLimited,
    /// Every other failure.
    Other,
}

/// Why an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AcmeFailure {
    pub(crate) kind: FailureKind,
    pub(crate) text: String,
    /// The names that the authority rejected; none if it named none.
    pub(crate) names: Vec<String>,
}

impl AcmeFailure {
    /// A failure of this server or of its machine.
    pub(crate) fn new(text: &str) -> Self {
        Self { kind: FailureKind::Other, text: clean(text), names: Vec::new() }
    }

    /// A problem that the authority reported.
    pub(crate) fn of_problem(subject: &str, problem: &Problem) -> Self {
        let kind = match has_type(problem, "rateLimited") {
            true => FailureKind::RateLimited,
            false => FailureKind::Other,
        };
        let names = problem.subproblems.iter().filter_map(|further| match &further.identifier {
            Some(Identifier::Dns(name)) => Some(name.clone()),
            _ => None,
        });
        let text = clean(&format!("{subject}: {}", text(problem)));
        Self { kind, text, names: names.collect() }
    }

    /// The same failure of these names as well.
    pub(crate) fn with_names(mut self, names: impl IntoIterator<Item = String>) -> Self {
        self.names.extend(names);
        self
    }

    /// The failure of a step.
    pub(crate) fn of(step: &str, error: &Error) -> Self {
        match error {
            Error::Api(problem) => {
                Self::of_problem(&format!("the authority rejected {step}"), problem)
            }
            Error::Timeout(_) => {
                Self::new(&format!("{step}: the authority did not finish in time"))
            }
            Error::Json(_) => {
                Self::new(&format!("{step}: the answer of the authority is not one of RFC 8555"))
            }
            other => {
                let (mut text, mut source) = (format!("{step}: {other}"), other.source());
                while let Some(cause) = source {
                    let cause_text = cause.to_string();
                    if !text.contains(&cause_text) {
                        text = format!("{text}: {cause_text}");
                    }
                    source = cause.source();
                }
                Self::new(&text)
            }
        }
    }
}

/// Whether a problem has a type of RFC 8555.
pub(crate) fn has_type(problem: &Problem, name: &str) -> bool {
    let kind = problem.r#type.as_deref().and_then(|kind| kind.strip_prefix(TYPES));
    kind == Some(name)
}

fn text(problem: &Problem) -> String {
    let detail = problem.detail.as_deref().unwrap_or("no details");
    let kind = problem.r#type.as_deref().unwrap_or("no type");
    let mut text = format!("{detail} ({})", kind.strip_prefix(TYPES).unwrap_or(kind));
    for further in &problem.subproblems {
        text.push_str(&format!("; {further}"));
    }
    text
}

/// Removes characters that change how other text is shown, and bounds the length.
fn clean(text: &str) -> String {
    let is_hidden = |letter: &char| {
        matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}')
    };
    let shown = text.chars().filter(|letter| !is_hidden(letter));
    let shown = shown.map(|letter| if letter.is_control() { ' ' } else { letter });
    let mut cleaned: String = shown.take(TEXT_MAX_CHARS + 1).collect();
    if let Some((end, _)) = cleaned.char_indices().nth(TEXT_MAX_CHARS) {
        cleaned.truncate(end);
        cleaned.push('…');
    }
    cleaned
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(json: &str) -> Problem {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn problem_of_the_authority_is_readable_and_bounded() {
        let rejected = problem(
            r#"{"type": "urn:ietf:params:acme:error:rejectedIdentifier", "detail": "no\u001b[2J",
                "subproblems": [{"type": "urn:ietf:params:acme:error:dns", "detail": "x",
                "identifier": {"type": "dns", "value": "a.example"}}]}"#,
        );
        let failure = AcmeFailure::of("the order", &Error::Api(rejected));
        assert_eq!(failure.kind, FailureKind::Other);
        assert!(
            failure.text.starts_with("the authority rejected the order: no [2J"),
            "{failure:?}"
        );
        assert!(failure.text.contains("(rejectedIdentifier)"), "{failure:?}");
        assert!(failure.text.contains("a.example"), "{failure:?}");
        assert_eq!(failure.names, ["a.example"]);
        let long = format!(r#"{{"type": "x", "detail": "{}"}}"#, "a\\u202e\\n".repeat(2_000));
        let failure = AcmeFailure::of("the order", &Error::Api(problem(&long)));
        assert_eq!(failure.text.chars().count(), TEXT_MAX_CHARS + 1);
        assert!(!failure.text.contains(['\n', '\u{202e}']), "{failure:?}");
        assert!(AcmeFailure::of("x", &Error::Api(problem("{}"))).text.contains("no details"));
    }

    #[test]
    fn rate_limits_are_recognized_by_their_type() {
        for (kind, expect) in [
            ("urn:ietf:params:acme:error:rateLimited", FailureKind::RateLimited),
            ("urn:ietf:params:acme:error:serverInternal", FailureKind::Other),
            ("rateLimited", FailureKind::Other),
        ] {
            let problem = problem(&format!(r#"{{"type": "{kind}", "detail": "d"}}"#));
            assert_eq!(AcmeFailure::of("x", &Error::Api(problem)).kind, expect, "{kind}");
        }
    }
}

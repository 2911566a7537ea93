//! The report as one HTML page, for a browser or a phone.
//! Never: a script, a resource from elsewhere, or text that is not escaped.

use super::result::{AlertCause, CaseResult, CaseStatus, DrillReport};
use super::{OF_ANYONE, OF_DRILL, OF_OTHERS, not_reached};

const STYLE: &str = "\
:root{color-scheme:light dark;--bad:#b00020;--good:#17692b;--dim:#5c5c5c;--line:#d0d0d0}
@media(prefers-color-scheme:dark){:root{--bad:#ff8a80;--good:#8fd19e;--dim:#a8a8a8;--line:#444}}
body{font:16px/1.5 system-ui,sans-serif;max-width:56rem;margin:0 auto;padding:1rem;\
overflow-wrap:anywhere}
h1{font-size:1.5rem}h2{font-size:1.2rem;margin-top:2rem}
details{border:1px solid var(--line);border-radius:.4rem;padding:.5rem .75rem;margin:.5rem 0}
summary{cursor:pointer}dt{color:var(--dim);font-size:.875rem}dd{margin:0 0 .5rem}
.failed b{color:var(--bad)}.passed b{color:var(--good)}.skipped b{color:var(--dim)}";

/// The whole page.
pub(crate) fn page(report: &DrillReport) -> String {
    let counts = report.counts;
    let mut body = format!(
        "<h1>Drill of {}</h1><p>{} passed, {} failed, {} skipped. {} connections to {}, from {} to \
         {}. Portcullis {}.</p>",
        escaped(&report.target),
        counts.passed,
        counts.failed,
        counts.skipped,
        report.connections,
        escaped(&report.address),
        escaped(&report.started),
        escaped(&report.ended),
        escaped(report.version),
    );
    if let Some(notice) = not_reached(report) {
        body.push_str(&format!("<p><b>Incomplete:</b> {notice}</p>"));
    }
    if counts.failed > 0 {
        body.push_str("<h2>To fix</h2>");
        report.failed().for_each(|case| body.push_str(&details(case, " open")));
    }
    body.push_str("<h2>Alerts during the drill</h2>");
    body.push_str(&alerts(report));
    let mut group = "";
    for case in &report.cases {
        if case.group != group {
            group = case.group;
            body.push_str(&format!("<h2>{}</h2>", escaped(group)));
        }
        body.push_str(&details(case, ""));
    }
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         style-src 'unsafe-inline'\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>Drill of {}</title><style>{STYLE}</style></head><body>{body}</body></html>\n",
        escaped(&report.target)
    )
}

/// A case, of which only the first line is shown unless the attribute `open` is given.
fn details(case: &CaseResult, open: &str) -> String {
    let word = case.result.word();
    let mut rows = String::new();
    let seen = if case.result == CaseStatus::Skipped { "reason" } else { "seen" };
    let fix = case.fix.unwrap_or_default();
    for (term, text) in [
        ("threat", case.threat),
        ("sent", case.sent),
        ("expected", case.expected),
        (seen, case.seen.as_str()),
        ("fix", fix),
    ] {
        if !text.is_empty() {
            rows.push_str(&format!("<dt>{term}</dt><dd>{}</dd>", escaped(text)));
        }
    }
    format!(
        "<details class=\"{word}\"{open}><summary><b>{word}</b> {} <code>{}</code></summary>\
         <dl>{rows}</dl></details>",
        escaped(case.name),
        escaped(case.id)
    )
}

fn alerts(report: &DrillReport) -> String {
    let mut body = String::new();
    for (title, cause) in [(OF_DRILL, AlertCause::Drill), (OF_ANYONE, AlertCause::Unknown)] {
        let alerts = report.alerts_of(cause);
        if alerts.is_empty() {
            continue;
        }
        body.push_str(&format!("<p>{title}:</p><ul>"));
        for alert in alerts {
            body.push_str(&format!(
                "<li>{} ({}): {}</li>",
                escaped(&alert.rule),
                escaped(&alert.severity),
                escaped(&alert.title)
            ));
        }
        body.push_str("</ul>");
    }
    if report.alerts.is_empty() {
        body.push_str("<p>No alert of the drill fired.</p>");
    }
    if report.alerts_of_others > 0 {
        body.push_str(&format!("<p>{OF_OTHERS}: {}</p>", report.alerts_of_others));
    }
    body
}

/// A text as content of an element.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            _ => safe.push(char),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::super::result::tests::report;
    use super::*;

    #[test]
    fn page_escapes_text_of_the_target_and_has_no_script() {
        let page = page(&report());
        assert!(!page.contains("<script") && !page.contains("<b>hostile"), "{page}");
        assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
        assert_eq!(page.matches("&lt;b&gt;hostile&lt;/b&gt;").count(), 2);
        assert!(page.contains("<p>Alerts about other addresses, not listed: 2</p>"));
        assert!(page.contains("default-src 'none'") && !page.contains("http://"));
        assert_eq!(page.matches("<details").count(), page.matches("</details>").count());
        assert_eq!(page.matches("class=\"failed\"").count(), 2, "at the top and in its group");
        assert_eq!(page.matches(" open>").count(), 1, "at the top");
        assert!(!page.contains("Incomplete"));
        let ended = super::page(&DrillReport { not_reached: 3, ..report() });
        assert!(ended.contains("Incomplete:</b> 3 of 4 cases"), "{ended}");
    }

    #[test]
    fn markup_is_escaped() {
        assert_eq!(escaped("a<b>&\"'"), "a&lt;b&gt;&amp;&quot;&#39;");
    }
}

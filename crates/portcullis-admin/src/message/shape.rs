//! Formats of the body of a webhook: the standard one, and those of products.
//! Never: text of clients as markup, a link or a mention.

use portcullis_audit::{Alert, AlertSeverity, utc};
use portcullis_model::Now;
use serde_json::{Value, json};

use super::{json, summary};

/// The format of the body of a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// JSON of this server, signed as Standard Webhooks.
    Standard,
    /// An incoming webhook of Slack.
    Slack,
    /// A webhook of Discord.
    Discord,
    /// A workflow of Teams.
    Teams,
    /// An event of PagerDuty (Events API v2).
    PagerDuty,
}

impl Shape {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Standard, Self::Slack, Self::Discord, Self::Teams, Self::PagerDuty];

    /// The word in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Slack => "slack",
            Self::Discord => "discord",
            Self::Teams => "teams",
            Self::PagerDuty => "pagerduty",
        }
    }

    /// The body of a message.
    pub(crate) fn body(self, alert: &Alert, now: Now) -> Value {
        match self {
            Self::Standard => json::standard(alert, now),
            Self::Slack => slack(alert),
            Self::Discord => discord(alert),
            Self::Teams => teams(alert),
            Self::PagerDuty => pagerduty(alert, now),
        }
    }
}

/// Blocks of plain text: Slack reads no mention, link or format in them.
fn slack(alert: &Alert) -> Value {
    let title = summary::title(alert);
    let plain = |text: &str| json!({"type": "plain_text", "text": text, "emoji": false});
    json!({
        "text": title,
        "blocks": [
            {"type": "header", "text": plain(&title)},
            {"type": "section", "text": plain(&summary::lines(alert))},
        ],
    })
}

/// A code block: Discord reads no format in it. No mention is allowed, and no preview of links.
fn discord(alert: &Alert) -> Value {
    let (title, lines) = (summary::title(alert), summary::lines(alert).replace('`', "'"));
    json!({
        "content": format!("{title}\n```\n{lines}\n```"),
        "allowed_mentions": {"parse": []},
        "flags": 4,
    })
}

/// An Adaptive Card of text runs, in which Teams reads no Markdown.
fn teams(alert: &Alert) -> Value {
    let run = |text: String, weight: &str| {
        let inlines = [json!({"type": "TextRun", "text": text, "weight": weight})];
        json!({"type": "RichTextBlock", "inlines": inlines})
    };
    let facts = summary::facts(alert).into_iter();
    let facts = facts.map(|(name, value)| run(format!("{name}: {value}"), "Default"));
    let body: Vec<_> = std::iter::once(run(summary::title(alert), "Bolder")).chain(facts).collect();
    let card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
    });
    let kind = "application/vnd.microsoft.card.adaptive";
    json!({
        "type": "message",
        "attachments": [{"contentType": kind, "contentUrl": null, "content": card}],
    })
}

/// One incident of PagerDuty for each rule and key; the routing key is added when it is sent.
fn pagerduty(alert: &Alert, now: Now) -> Value {
    let severity = match alert.severity {
        AlertSeverity::Info => "info",
        AlertSeverity::Medium => "warning",
        AlertSeverity::High => "error",
        AlertSeverity::Critical => "critical",
    };
    let action = if alert.state.is_open() { "trigger" } else { "resolve" };
    let source = match alert.origin.node.as_str() {
        "" => "portcullis",
        node => node,
    };
    let mut body = json!({
        "event_action": action,
        "dedup_key": alert.origin.fingerprint,
        "client": "Portcullis",
    });
    if alert.state.is_open()
        && let Some(members) = body.as_object_mut()
    {
        let payload = json!({
            "summary": summary::title(alert),
            "source": source,
            "severity": severity,
            "timestamp": utc(alert.counts.last_unix_ms),
            "class": alert.rule,
            "custom_details": json::standard(alert, now),
        });
        members.insert(String::from("payload"), payload);
    }
    body
}

#[cfg(test)]
mod tests {
    use portcullis_audit::{AlertKey, AlertState};

    use super::*;
    use crate::message::sample::test_alert;

    /// An alert with a key that tries to break out.
    fn hostile() -> Alert {
        let mut alert = test_alert("x", Now { monotonic_ms: 0, unix_ms: 1_790_824_365_000 });
        alert.origin.test = false;
        alert.severity = AlertSeverity::High;
        let value = String::from("<!channel> @everyone ```[a](https://evil.example)\u{202e}");
        alert.key = Some(AlertKey { kind: "name", value });
        alert
    }

    fn body(shape: Shape, alert: &Alert) -> Value {
        shape.body(alert, Now::default())
    }

    #[test]
    fn no_shape_has_a_link_or_a_control_character_of_a_client() {
        for shape in Shape::ALL {
            let text = body(shape, &hostile()).to_string();
            assert!(text.contains("evil.example"), "{text}");
            assert!(!text.contains("https://evil") && !text.contains('\u{202e}'), "{text}");
        }
    }

    #[test]
    fn slack_gets_plain_text_and_discord_no_mention() {
        let slack = body(Shape::Slack, &hostile());
        let kinds = slack["blocks"].as_array().unwrap().iter().map(|block| &block["text"]["type"]);
        assert!(kinds.clone().all(|kind| kind == "plain_text") && kinds.count() == 2);
        assert!(!slack["text"].as_str().unwrap().contains("evil"), "the title has no client text");
        let discord = body(Shape::Discord, &hostile());
        assert_eq!(discord["allowed_mentions"], json!({"parse": []}));
        assert_eq!(discord["content"].as_str().unwrap().matches("```").count(), 2);
    }

    #[test]
    fn teams_gets_text_runs_without_markdown() {
        let teams = body(Shape::Teams, &hostile());
        let blocks = &teams["attachments"][0]["content"]["body"];
        let blocks = blocks.as_array().unwrap();
        assert!(blocks.len() > 3 && blocks.iter().all(|block| block["type"] == "RichTextBlock"));
    }

    #[test]
    fn pagerduty_resolves_what_it_triggered() {
        let mut alert = hostile();
        let trigger = body(Shape::PagerDuty, &alert);
        assert_eq!(
            (&trigger["event_action"], &trigger["payload"]["severity"]),
            (&json!("trigger"), &json!("error"))
        );
        alert.state = AlertState::Resolved;
        let resolve = body(Shape::PagerDuty, &alert);
        assert_eq!(resolve["event_action"], "resolve");
        assert_eq!(resolve["dedup_key"], trigger["dedup_key"]);
        assert_eq!(resolve.get("payload"), None);
    }
}

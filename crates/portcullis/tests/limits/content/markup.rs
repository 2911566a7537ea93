//! T-120 to T-129: what a browser would run, in a message.
//! Never: a byte of `html` that is not a formatting tag, a character reference or text.
//!
//! Markup is text by default, and shown as it was written; `markup = "strip"` removes it.

use portcullis_test::{Config, TestServer};
use serde_json::Value;

use crate::clients::{Talk, alive, code_of, start, unlimited};

/// The only tags there are when links are off.
const TAGS: [&str; 10] =
    ["<b>", "</b>", "<i>", "</i>", "<em>", "</em>", "<strong>", "</strong>", "<code>", "</code>"];
const REFERENCES: [&str; 5] = ["&amp;", "&lt;", "&gt;", "&quot;", "&#39;"];
const REL: &str = " rel=\"noopener noreferrer nofollow ugc\">";

/// The length of a link's opening tag, exactly as it may be written.
fn link_length(rest: &str) -> Option<usize> {
    let target = rest.strip_prefix("<a href=\"https://")?;
    let quote = target.find('"')?;
    let (target, after) = target.split_at(quote);
    let sound = target.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>\"'`".contains(&byte));
    let fits = sound && after.get(1..)?.starts_with(REL);
    fits.then(|| "<a href=\"https://".len() + quote + 1 + REL.len())
}

/// Reads `html` as no browser would misread it: a byte that is not allowed fails the test.
fn assert_safe(html: &str, links: bool, raw: &str) {
    let mut rest = html;
    while let Some(at) = rest.find(['<', '>', '&']) {
        rest = &rest[at..];
        let fixed = TAGS.iter().chain(&REFERENCES).find(|known| rest.starts_with(**known));
        let closing = (links && rest.starts_with("</a>")).then_some(4);
        let opening = if links { link_length(rest) } else { None };
        let length = fixed.map(|known| known.len()).or(closing).or(opening);
        let length = length.unwrap_or_else(|| panic!("{raw:?} became {html:?}: at {rest:?}"));
        rest = &rest[length..];
    }
    assert!(!html.contains('\0'), "{raw:?} became {html:?}");
}

/// A server with keys of `[message]`.
fn start_with(keys: &str) -> TestServer {
    let mut config: Config = unlimited();
    config.more.push_str("[message]\n");
    config.more.push_str(keys);
    start(&config)
}

/// Sends each text where markup is removed and where it is text; `gone` are words that removal
/// leaves no trace of.
fn check(name: &str, links: bool, gone: &[&str], raws: &[&str]) {
    let links_key = if links { "links = true\n" } else { "" };
    let stripping = start_with(&format!("{links_key}markup = \"strip\"\n"));
    check_on(&stripping, name, links, gone, raws);
    alive(&stripping);
    let escaping = start_with(links_key);
    check_on(&escaping, name, links, &[], raws);
    alive(&escaping);
}

/// Sends each text after formatting and checks what arrives. Only control characters may be
/// rejected.
fn check_on(server: &TestServer, name: &str, links: bool, gone: &[&str], raws: &[&str]) {
    let mut talk = Talk::new(server, name);
    for raw in raws {
        let message = format!("<b>ok</b> {raw}");
        let answer = talk.send(&message);
        if answer["ok"] == false {
            assert_eq!(answer["error"]["code"], "INVALID_MESSAGE", "{raw:?}: {answer}");
            assert!(raw.contains(['\0', '\u{c}']), "{raw:?}: {answer}");
            continue;
        }
        let received = talk.receiver.event("chat:message");
        let text = received["message"].as_str().unwrap();
        assert!(text.starts_with("ok"), "{raw:?}: {received}");
        let html = received["html"].as_str().unwrap();
        assert!(html.starts_with("<b>ok</b>"), "{raw:?}: {received}");
        assert_safe(html, links, raw);
        for word in gone {
            assert!(!text.contains(word) && !html.contains(word), "{raw:?}: {received}");
        }
    }
    let end = talk.say("<i>the end</i>");
    assert_eq!(end["html"], "<i>the end</i>");
}

#[test]
fn t120_scripts_go_with_their_content() {
    let raws = [
        "<script>alert(1)</script>",
        "<SCRIPT>alert(1)</SCRIPT>",
        "<SCRIPT/x>alert(1)</SCRIPT>",
        "<script\n>alert(1)</script\n>",
        "<script src=//evil/alert(1)></script>",
        "<script>alert(1)",
        "<script>alert(1)</scrip",
        "<script type=text/javascript>alert(1)</script >",
        "<svg><script>alert(1)</script></svg>",
        "<script/alert(1)>alert(1)</script>",
    ];
    check("scripts", false, &["alert"], &raws);
    let nested = [
        "<scr<script>ipt>alert(1)</script>",
        "<scr<script></script>ipt>alert(1)</scr</script>ipt>",
        "<<script>script>alert(1)</script>",
        "<script",
        "<script ",
        "<script/",
        "<script>",
        "<s\u{200b}cript>alert(1)</script>",
        "<\u{ff53}cript>alert(1)</script>",
        "\u{ff1c}script\u{ff1e}alert(1)\u{ff1c}/script\u{ff1e}",
        "<ſcript>alert(1)</ſcript>",
        "%3Cscript%3Ealert(1)%3C/script%3E",
        "\\x3cscript\\x3ealert(1)",
        "&lt;script&gt;alert(1)&lt;/script&gt;",
        "&#60;script&#62;alert(1)&#x3c;/script>",
        "&amp;lt;script&amp;gt;",
    ];
    check("nested", false, &[], &nested);
}

#[test]
fn t121_t122_handlers_and_attributes_are_gone() {
    let server = start(&unlimited());
    let raws = [
        "<img src=x onerror=alert(1)>",
        "<img src=x onerror=alert(1)//",
        "<img/src=x/onerror=alert(1)>",
        "<IMG \"\"\"><b onclick=alert(1)>x</b>",
        "<svg onload=alert(1)>",
        "<svg/onload=alert(1)//",
        "<body onload=alert(1)>",
        "<details ontoggle=alert(1) open>x</details>",
        "<input autofocus onfocus=alert(1)>",
        "<select onfocus=alert(1) autofocus>",
        "<video><source onerror=alert(1)></video>",
        "<audio src onloadstart=alert(1)>",
        "<marquee onstart=alert(1)>x</marquee>",
        "<object data=alert(1)>",
        "<embed src=alert(1)>",
        "<form action=alert(1)><button formaction=alert(1)>x</button></form>",
        "<base href=alert(1)>",
        "<link rel=import href=alert(1)>",
        "<meta http-equiv=refresh content=alert(1)>",
        "<b onclick=alert(1)>x</b>",
        "<b/onclick=alert(1)>x</b>",
        "<B ONCLICK=\"alert(1)\">x</B>",
        "<i style='alert(1)'>x</i>",
        "<strong id=alert(1) class=alert(1)>x</strong>",
        "<code\nonmouseover\n=\nalert(1)\n>x</code>",
        "<em a=\">\" onclick=alert(1)>x</em>",
        "<b a='>' b=\"'\" onclick=alert(1)>x</b>",
        "<b =\"\" onclick=alert(1)>x</b>",
        "<b `onclick=alert(1)`>x</b>",
        "<b data-x=alert(1) autofocus tabindex=1 onfocus=alert(1)>x</b>",
        "<custom-element onclick=alert(1)>x</custom-element>",
        "<x onclick=alert(1)>x</x>",
    ];
    check("handlers", false, &["alert"], &raws);
    let mut talk = Talk::new(&server, "kept");
    for (raw, html) in [
        ("<b onclick=alert(1)>x</b>", "<b>x</b>"),
        ("<i style=\"color:red\">x</i>", "<i>x</i>"),
        ("<strong id=x class=y>x</strong>", "<strong>x</strong>"),
        ("<EM>x</EM>", "<em>x</em>"),
        ("<b>x<i>y</b>z</i>", "<b>x<i>y</i></b>"),
        ("<b>x", "<b>x</b>"),
    ] {
        let received = talk.say(raw);
        let seen = received["html"].as_str().unwrap();
        assert!(seen.starts_with(html), "{raw}: {seen}");
        assert_safe(seen, false, raw);
    }
    alive(&server);
}

#[test]
fn t123_styles_are_gone() {
    let raws = [
        "<style>*{x:expression(alert(1))}</style>",
        "<style>@import 'alert(1)';</style>",
        "<STYLE type=text/css>alert(1)</STYLE>",
        "<style>alert(1)",
        "<b style=\"x:expression(alert(1))\">x</b>",
        "<i style=\"background:url(javascript:alert(1))\">x</i>",
        "<em style=\"behavior:url(alert(1))\">x</em>",
        "<div style=\"position:fixed\" alert(1)>x</div>",
        "<style><img src=\"</style><img src=x onerror=alert(1)//\">",
    ];
    check("styles", false, &["alert", "expression", "javascript"], &raws);
}

const LINKS: [&str; 20] = [
    "<a href=\"javascript:alert(1)\">x</a>",
    "<a href='JaVaScRiPt:alert(1)'>x</a>",
    "<a href=\"java\tscript:alert(1)\">x</a>",
    "<a href=\"java\nscript:alert(1)\">x</a>",
    "<a href=\" javascript:alert(1)\">x</a>",
    "<a href=\"&#1;javascript:alert(1)\">x</a>",
    "<a href=\"&#x6A;avascript:alert(1)\">x</a>",
    "<a href=\"&#106avascript&colon;alert(1)\">x</a>",
    "<a href=\"javascript&#58;alert(1)\">x</a>",
    "<a href=\"data:text/html,alert(1)\">x</a>",
    "<a href=\"vbscript:alert(1)\">x</a>",
    "<a href=\"//evil.example/alert(1)\">x</a>",
    "<a href=\"/\\evil.example/alert(1)\">x</a>",
    "<a href=\"http://evil.example/alert(1)\">x</a>",
    "<a href=\"https:evil.example/alert(1)\">x</a>",
    "<a href=\"https:/\\evil.example/alert(1)\">x</a>",
    "<a href=\"blob:https://x/alert(1)\">x</a>",
    "<a href=\"view-source:alert(1)\">x</a>",
    "<a xlink:href=\"alert(1)\">x</a>",
    "<a href=javascript:alert(1) href=https://ok.example/>x</a>",
];

#[test]
fn t124_every_link_target_is_removed_when_links_are_off() {
    check("no-links", false, &["alert", "href"], &LINKS);
    check("not-even", false, &["href"], &["<a href=\"https://ok.example/\">x</a>"]);
}

#[test]
fn t124_with_links_only_https_is_kept_and_rel_is_added() {
    let server = start_with("links = true\n");
    check("links", true, &["alert"], &LINKS);
    let mut talk = Talk::new(&server, "kept");
    for raw in [
        "<a href=\"https://ok.example/p?q=1\">x</a>",
        "<a href='https://ok.example/p?q=1' onclick=alert(1) target=_top rel=opener>x</a>",
        "<A HREF=https://ok.example/p?q=1>x</A>",
    ] {
        let received = talk.say(raw);
        let expect = format!("<a href=\"https://ok.example/p?q=1\"{REL}x</a>");
        assert_eq!(
            (&received["html"], &received["message"]),
            (&expect.into(), &"x".into()),
            "{raw}"
        );
    }
    alive(&server);
}

#[test]
fn t126_raw_text_elements_go_with_their_content() {
    let raws = [
        "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
        "<xmp><img src=x onerror=alert(1)></xmp>",
        "<xmp><p title=\"</xmp><img src=x onerror=alert(1)>\">",
        "<textarea><img src=x onerror=alert(1)></textarea>",
        "<textarea></textarea><img src=x onerror=alert(1)>",
        "<title><img src=x onerror=alert(1)></title>",
        "<title></title><svg onload=alert(1)>",
        "<style></style><img src=x onerror=alert(1)>",
        "<iframe srcdoc=\"<script>alert(1)</script>\"></iframe>",
        "<iframe><img src=x onerror=alert(1)></iframe>",
        "<noembed><img src=x onerror=alert(1)></noembed>",
        "<noframes><p title=\"</noframes><img src=x onerror=alert(1)>\">",
        "<plaintext><img src=x onerror=alert(1)>",
        "<template><img src=x onerror=alert(1)></template>",
        "<listing><img src=x onerror=alert(1)></listing>",
        "<textarea><b onclick=alert(1)>",
    ];
    check("raw", false, &["onerror", "onload", "onclick"], &raws);
}

#[test]
fn t127_foreign_content_is_gone() {
    let raws = [
        "<math><annotation-xml encoding=\"text/html\"><img src=x onerror=alert(1)></math>",
        "<svg><desc><img src=x onerror=alert(1)></desc></svg>",
        "<svg><foreignObject><img src=x onerror=alert(1)></foreignObject></svg>",
        "<svg><a><set attributeName=href to=javascript:alert(1)></a></svg>",
        "<svg><animate attributeName=href values=javascript:alert(1) /></svg>",
        "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)></style>",
        "<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
        "<math><mi xlink:href=\"javascript:alert(1)\">x</mi></math>",
        "<svg><style><img title=\"</style><img src=x onerror=alert(1)>\">",
        "<svg></p><style><a id=\"</style><img src=1 onerror=alert(1)>\">",
        "<svg><title><b onclick=alert(1)>x</b></title></svg>",
        "<svg><![CDATA[<img src=x onerror=alert(1)>]]></svg>",
        "<svg><use href=\"data:image/svg+xml,alert(1)\"/></svg>",
    ];
    check("foreign", false, &["onerror", "javascript", "onclick"], &raws);
}

#[test]
fn t129_strange_tags_comments_and_declarations_are_gone() {
    let raws = [
        "<b\tonclick=alert(1)>x</b>",
        "<b\r\nonclick=alert(1)>x</b>",
        "<!--<img src=x onerror=alert(1)>-->",
        "<!--><img src=x onerror=alert(1)>-->",
        "<!---><img src=x onerror=alert(1)>-->",
        "<!-- --!><img src=x onerror=alert(1)>",
        "<!-- <!-- --><img src=x onerror=alert(1)>",
        "<!--<img src=x onerror=alert(1)>",
        "<![CDATA[<img src=x onerror=alert(1)>]]>",
        "<?xml version=\"1.0\"?><img src=x onerror=alert(1)>",
        "<?php alert(1) ?><img src=x onerror=alert(1)>",
        "<!DOCTYPE html><img src=x onerror=alert(1)>",
        "<!x><img src=x onerror=alert(1)>",
        "</b onclick=alert(1)>",
        "<b\u{c}onclick=alert(1)>x</b>",
        "<b\0onclick=alert(1)>x</b>",
        "<\0b onclick=alert(1)>",
        "<img\0 src=x onerror=alert(1)>",
    ];
    check("strange", false, &["onerror", "onclick"], &raws);
    // No tag begins with a blank: it is shown as it was written.
    let shown = ["</ b onclick=alert(1)>", "< b onclick=alert(1)>", "<1 onclick=alert(1)>"];
    check("shown", false, &[], &shown);
}

#[test]
fn t120_to_t129_markup_other_than_formatting_is_escaped() {
    let server = start(&unlimited());
    let mut talk = Talk::new(&server, "shown");
    for raw in [
        "put it into the <title> of the page",
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<svg/onload=alert(1)>",
        "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
        "<style>*{color:red}</style> <!-- x --> <br>",
        "<a href=\"https://a.example\">x</a>",
        "</b onclick=alert(1)>",
    ] {
        let received = talk.say(raw);
        assert_eq!((&received["message"], received.get("html")), (&Value::from(raw), None));
        let received = talk.say(&format!("<b>ok</b> {raw}"));
        assert_eq!(received["message"], format!("ok {raw}"));
        let escaped = raw.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        assert_eq!(received["html"], format!("<b>ok</b> {escaped}"));
    }
    alive(&server);
}

#[test]
fn markup_that_would_run_is_recorded_and_other_markup_is_not() {
    let server = start(&unlimited());
    let mut talk = Talk::new(&server, "recorded");
    for raw in ["<title>", "Vec<S>", "the <script> tag", "<b>x</b>", "onclick=alert(1)"] {
        talk.say(raw);
    }
    talk.say("<i>1</i>");
    assert!(!server.records.text().contains("xss_attempt"));
    talk.say("<img src=x onerror=alert(1)>");
    let record = server.records.wait_for(|record| record["event"]["code"] == "xss_attempt");
    assert_eq!(record["event"]["outcome"], "success");
    assert_eq!(record["event"]["reason"], "recorded");
    assert_eq!(
        (&record["rule"]["name"], &record["event"]["action"]),
        (&"markup".into(), &"chat:send".into())
    );
    assert!(record["user"]["id"].is_string() && !record.to_string().contains("onerror"));
    alive(&server);
}

#[test]
fn markup_that_would_run_is_rejected_where_the_operator_wants_it() {
    let server = start_with("malicious = \"refuse\"\n");
    let mut talk = Talk::new(&server, "refused");
    for raw in [
        "<script>alert(1)</script>",
        "<b onclick=alert(1)>x</b>",
        "<a href=javascript:alert(1)>x</a>",
    ] {
        for _ in 0..5 {
            let answer = talk.send(raw);
            assert_eq!(code_of(&answer), "INVALID_CONTENT", "{raw}");
            assert_eq!(answer["error"]["message"], "Invalid content detected");
        }
    }
    talk.say("put it into the <title> of the page, and <script> last");
    let record = server.records.wait_for(|record| record["event"]["code"] == "xss_attempt");
    assert_eq!(record["event"]["outcome"], "failure");
    alive(&server);
}

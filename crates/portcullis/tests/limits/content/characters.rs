//! T-116, T-117, T-131, T-133: what text may hold, and that it arrives as it was meant.
//! Never: text that looks empty, deceives, or is encoded twice.

use portcullis_test::{SECRET, hs256};
use portcullis_test::{SioClient, claims, forge_hs256, register};
use serde_json::json;

use crate::clients::{Talk, alive, code_of, create_room, join, start, unlimited};

#[test]
fn t116_length_bounds_are_exact_and_invisible_text_is_empty() {
    let server = start(&unlimited());
    let mut talk = Talk::new(&server, "bounds");
    let thousand = "ab".repeat(500);
    for fine in ["a", &thousand, &"\u{1f600}\u{1f601}".repeat(500)] {
        assert_eq!(talk.say(fine)["message"], *fine);
    }
    let longer = ["ab".repeat(500) + "c", "\u{1f600}\u{1f601}".repeat(500) + "x", "ab".repeat(900)];
    let empty = [
        "",
        " ",
        "   \n\t ",
        "\u{200b}",
        "\u{feff}",
        "\u{2060}",
        "\u{200b}\u{feff}\u{2060}",
        "\u{a0}\u{2003}\u{3000}",
        "\u{ad}",
        "\u{3164}",
        "\u{2800}",
        "\u{202e}",
        "\u{e0001}",
        "\u{fe0f}",
        "\u{301}",
        "<b></b>",
        "<b> </b><i></i>",
        "<b>\u{200b}</b>",
        "<b>&nbsp;&#8203;</b>",
        "\u{1}\u{1b}[31m",
    ];
    let long =
        longer.iter().map(|text| (text.as_str(), "the text is longer than 1,000 characters"));
    let empty = empty.map(|text| (text, "the text is empty, or has only invisible characters"));
    for (wrong, cause) in long.chain(empty) {
        let error = talk.send(wrong)["error"].clone();
        let shown: String = wrong.chars().take(30).collect();
        assert_eq!(error["code"], "INVALID_MESSAGE", "{shown:?}");
        assert_eq!((&error["cause"], &error["field"]), (&json!(cause), &json!("message")));
    }
    let deep = talk.send(&("<b>x".repeat(33) + &"</b>".repeat(33)));
    assert_eq!(deep["error"]["cause"], "formatting is nested more than 32 levels deep");
    // Markup that is not formatting can be seen.
    for seen in ["<!-- -->", "<script>alert(1)</script>", "<img src=x>", "<b>", "</code>"] {
        assert_eq!(talk.say(seen)["message"], seen);
    }
    alive(&server);
}

#[test]
fn t117_invalid_text_is_rejected_and_control_characters_are_removed() {
    let server = start(&unlimited());
    let mut talk = Talk::new(&server, "unicode");
    let escaped = [
        "\\ud800",
        "\\udfff",
        "\\ud83dx",
        "\\ude00\\ud83d",
        "\\ufffe",
        "\\uffff",
        "\\ufdd0",
        "\\ud83f\\udfff",
    ];
    for escape in escaped {
        let payload = format!("{{\"roomId\":\"ROOM\",\"message\":\"a{escape}b\"}}");
        let answer = talk.ask_text(&format!("[\"chat:send\",{payload}]"));
        assert_eq!(code_of(&answer), "INVALID_MESSAGE", "{escape}");
        assert_eq!(answer["error"]["field"], "message", "{escape}");
        assert!(answer["error"]["cause"].is_string(), "{escape}");
    }
    let wrong_type = talk.ask_text(r#"["chat:send",{"roomId":"ROOM","message":5}]"#);
    assert!(wrong_type["error"].get("cause").is_none(), "{wrong_type}");
    let stripped = [
        ("a\u{202e}b", "ab"),
        ("a\u{202d}\u{202c}b", "ab"),
        ("a\u{2066}b\u{2069}c", "abc"),
        ("\u{feff}ab", "ab"),
        ("a&#x202e;b &#1; &#x7f;", "a&#x202e;b &#1; &#x7f;"),
        ("<b>a</b>&#x202e;b &#1;", "ab &#1;"),
        ("a\u{b}b\u{c}c\rd\u{85}e", "a\nb\nc\nd\ne"),
        ("a\u{0}b\u{8}c\u{7f}\u{9b}1md", "abcd"),
        ("\u{1b}[31merror\u{1b}[0m", "error"),
        ("cafe\u{301}", "caf\u{e9}"),
        ("a\r\nb", "a\nb"),
    ];
    for (raw, expect) in stripped {
        assert_eq!(talk.say(raw)["message"], expect, "{raw:?}");
    }
    let zalgo = format!("z{}algo", "\u{336}\u{301}".repeat(490));
    let received = talk.say(&zalgo);
    let marks = received["message"].as_str().unwrap().chars().count();
    assert!(marks <= 5 + 4, "{marks} characters are left");
    let received = talk.say(&format!("z{}", "\u{301}".repeat(990)));
    let left = received["message"].as_str().unwrap().chars().count();
    assert!(left <= 1 + 4, "{left} characters are left");
    let climbing = format!("z{}", "\u{301}".repeat(4_000));
    let received = talk.say(&climbing);
    assert!(received["message"].as_str().unwrap().chars().count() <= 1 + 4);
    alive(&server);
}

#[test]
fn t131_text_arrives_as_it_was_meant() {
    let server = start(&unlimited());
    let mut talk = Talk::new(&server, "meant");
    let family = "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467} \u{1f1e9}\u{1f1ea} ok";
    let hebrew = "\u{5e9}\u{5dc}\u{5d5}\u{5dd} \u{645}\u{631}\u{62d}\u{628}\u{627}";
    for same in [
        "put it into the <title> of the page",
        "Vec<S>, docker run <image>, <b> and </b>, List<i>, <br> or <hr>?",
        "#include <stdio.h>",
        "a < b && c > d",
        "O'Hara said \"50% off\"",
        "if (x<1 && y>2) { z = a[i]; }",
        "1 << 2 >> 3",
        "<3 you",
        "C:\\temp\\new 100% $& $1",
        "AT&T & sons; R&D",
        "&unknown; stays",
        "5 &lt; 6, &amp;lt; and &lt;script&gt;x&lt;/script&gt;",
        "Use &nbsp; between, &copy; 2024, ?a=1&gt;b",
        "&nbsp;",
        "`<b>text</b>`",
        "'; DROP TABLE users; --",
        "{{7*7}} ${7*7} #{7*7}",
        family,
        hebrew,
    ] {
        let received = talk.say(same);
        assert_eq!(received["message"], same);
        assert!(received.get("html").is_none(), "nothing was formatted: {received}");
    }
    for (raw, text, html) in [
        (
            "<b>bold</b> <em>x</em> a < b && c > d",
            "bold x a < b && c > d",
            Some("<b>bold</b> <em>x</em> a &lt; b &amp;&amp; c &gt; d"),
        ),
        ("<b>5</b> &lt; 6", "5 < 6", Some("<b>5</b> &lt; 6")),
        ("<b>&lt;script&gt;</b>", "<script>", Some("<b>&lt;script&gt;</b>")),
        ("<code>x &amp; y</code>", "x & y", Some("<code>x &amp; y</code>")),
    ] {
        let received = talk.say(raw);
        assert_eq!(received["message"], text, "{raw}");
        assert_eq!(received.get("html").and_then(|html| html.as_str()), html, "{raw}");
    }
    alive(&server);
}

#[test]
fn t133_markup_in_names_is_rejected() {
    let server = start(&unlimited());
    let mut talk = Talk::new(&server, "sinks");
    for name in [
        "<script>alert(1)</script>",
        "<b>x</b>",
        "<img src=x onerror=alert(1)>",
        "a<b",
        "a>b",
        "a\u{202e}b",
        "a\u{200b}b",
        "a\nb",
        "",
        " ",
        " padded ",
        "a\u{0}b",
    ] {
        let payload = json!({ "name": name, "visibility": "public" });
        let answer = talk.ask_text(&json!(["room:create", payload]).to_string());
        assert_eq!(code_of(&answer), "INVALID_MESSAGE", "{name:?}");
        assert_eq!(answer["error"]["field"], "name", "{name:?}");
        let made = register(&server, name, "a plain long sentence of my own");
        assert_eq!(made.status, 400, "{name:?}");
        assert!(!String::from_utf8_lossy(&made.body).contains("script"));
    }
    // Names of users that another issuer vouches for.
    for (number, name) in ["<script>alert(1)</script>", "a\u{202e}<b>", "\u{0}<"].iter().enumerate()
    {
        let mut claims = claims(&format!("foreign-{number}"));
        claims["name"] = json!(name);
        let header = json!({ "alg": "HS256", "typ": "JWT" }).to_string();
        let token = forge_hs256(&header, &claims.to_string(), SECRET.as_bytes());
        let mut client = SioClient::open(&server);
        client.sign_in(&token);
        join(&mut client, &talk.room);
        let payload = json!({ "roomId": talk.room, "message": "hi" });
        assert_eq!(client.ask("chat:send", &payload)["ok"], true);
        let received = talk.receiver.event("chat:message");
        let shown = received["username"].as_str().unwrap();
        let bad = |character: char| character.is_control() || "<>\u{202e}".contains(character);
        assert!(!shown.contains(bad), "{shown:?}");
        let members = client.ask("room:members", &json!({ "roomId": talk.room }));
        assert!(!members.to_string().contains('<'), "{members}");
    }
    let mut other = SioClient::connect(&server, &hs256("good-name"));
    create_room(&mut other, "caf\u{e9} & co's \u{1f600}");
    alive(&server);
}

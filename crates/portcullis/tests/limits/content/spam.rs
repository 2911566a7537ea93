//! T-135 to T-137: links, repeats and phrases, as people see them, and what they are together.
//! Never: a spelling that hides a phrase, a threshold that is off by one, or a rejection that says
//! no cause.

use portcullis_test::Config;

use crate::clients::{Talk, alive, recorded, start, unlimited};

/// Every message with the rule that rejects it, and messages that none rejects.
fn check(config: &Config, name: &str, spam: &[(&str, &str)], fine: &[&str]) {
    let server = start(config);
    let mut talk = Talk::new(&server, name);
    for (text, rule) in spam {
        let shown: String = text.chars().take(50).collect();
        let answer = talk.send(text);
        let error = &answer["error"];
        assert_eq!(error["code"], "SPAM_DETECTED", "{shown:?}: {answer}");
        let message = error["message"].as_str().unwrap();
        assert!(message.ends_with(&format!("({rule})")), "{shown:?}: {answer}");
    }
    if !spam.is_empty() {
        recorded(&server, "spam");
    }
    for text in fine {
        talk.say(text);
    }
    alive(&server);
}

#[test]
fn t135_links_inside_links_are_spam_and_several_links_are_not() {
    check(
        &unlimited(),
        "links",
        &[
            ("http://http://x", "link_in_link"),
            ("http://http://http://x.example", "link_in_link"),
            ("see HTTPS://http\u{200b}://x.example now", "link_in_link"),
            ("https://a.example https://a.example https://a.example", "one_link"),
        ],
        &[
            "https://a.example and https://b.example and https://c.example",
            "http://a.example/1 http://a.example/2 http://a.example/3",
            "a.com b.com c.net",
            "www.a.example www.b.example www.c.example",
            "https://archive.example/web/2026/https://a.example/",
            "https://a.example/path?x=1",
            "mail ann@a.com, bob@b.com, cat@c.com, eve@d.com",
            "3.14 is about 22/7, e.g. in main.rs or lib.rs and so on...etc",
        ],
    );
}

#[test]
fn t136_text_of_one_repeated_character_is_spam_and_a_run_is_not() {
    let (ten, eleven, many) = ("a".repeat(10), "a".repeat(11), "a".repeat(1_000));
    let family = "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}";
    let families = [family.repeat(50), family.repeat(51)];
    let accents = ["e\u{301}".repeat(10), "e\u{301}".repeat(11)];
    let (hidden, spaced) = ("a\u{200b}".repeat(11), "a ".repeat(11));
    let inside = format!("well {} then", "!".repeat(11));
    let laughs = ["\u{647}".repeat(14), "8".repeat(14), "\u{23f3}".repeat(12), ".".repeat(12)];
    let one = [&eleven, &many, &families[1], &accents[1], &hidden, &spaced, "<b>aaaaaa</b>aaaaa"];
    let spam = one.map(|text| (text, "one_character"));
    let catastrophe = "ab".repeat(500);
    let shout = "!!!!!!!!!!! https://a.example https://b.example https://c.example";
    let spam = [&spam[..], &[(shout, "shouting_with_links")]].concat();
    check(
        &unlimited(),
        "runs",
        &spam,
        &[&ten, &families[0], &accents[0], &catastrophe, &inside, "a b a b a b", "nooooooooooooo"],
    );
    check(&unlimited(), "laughs", &[], &laughs.each_ref().map(String::as_str));
}

#[test]
fn t137_phrases_with_a_link_are_found_however_they_are_spelled() {
    let phrases = [
        "buy now",
        "BUY NOW!!!",
        "b u y  n o w",
        "b.u.y-n.o.w",
        "bu\u{443} now",
        "\u{ff42}\u{ff55}\u{ff59} \u{ff4e}\u{ff4f}\u{ff57}",
        "buy\u{200b}now",
        "buy\u{2060} \u{feff}now",
        "<b>bu</b>y now",
        "<b>b&#117;y</b> now",
        "b\u{fa}\u{fd} n\u{f6}w",
        "\u{1d41b}\u{1d42e}\u{1d432} \u{1d427}\u{1d428}\u{1d430}",
        "hello, please click here for free money",
        "free money",
        "\u{202e}buy now",
    ];
    let only = "BUY NOW! Click here! Free money!";
    let with_links = phrases.map(|phrase| format!("{phrase} https://a.example"));
    let spam: Vec<_> = with_links.iter().map(|text| (text.as_str(), "phrase_with_link")).collect();
    let spam = [&spam[..], &[(only, "only_phrases")]].concat();
    let beside =
        ["should I buy nowadays? https://a.example", "did you buy? Now see https://a.example"];
    let honest = [
        "Click here to join the meeting\nhttps://teams.example/l/meetup-join/19%3ameeting",
        "https://en.wiki.example/wiki/Get-rich-quick_scheme",
        "Should I buy now or wait for next week? https://flights.example/LIS",
    ];
    check(&unlimited(), "phrases", &spam, &[&phrases[..], &beside, &honest].concat());
}

#[test]
fn spam_rules_can_be_switched_and_phrases_changed() {
    let mut config = unlimited();
    config.more.push_str(
        "[spam]\none_character = \"off\"\nlink_in_link = \"record\"\nphrase = \"refuse\"\n\
         many_links = \"refuse\"\nlong_run = \"refuse\"\nphrases_add = [\"kaufe jetzt\"]\n\
         phrases_remove = [\"buy now\"]\n",
    );
    let server = start(&config);
    let mut talk = Talk::new(&server, "switched");
    for text in [
        "https://a.example https://b.example https://c.example",
        "nooooooooooooo",
        "Kaufe jetzt!",
        "click here",
    ] {
        assert_eq!(talk.refused(text), "SPAM_DETECTED", "{text}");
    }
    let found = || server.records.text().matches("\"reason\":\"link_in_link\"").count();
    let before = found();
    for text in ["aaaaaaaaaa", "buy now https://a.example", "http://http://x"] {
        talk.say(text);
    }
    alive(&server);
    let record = server.records.wait_for(|record| record["event"]["reason"] == "link_in_link");
    assert_eq!((before, found()), (0, 1));
    assert_eq!(record["event"]["outcome"], "success");
    assert_eq!(record["event"]["code"], "spam_detected");
}

#[test]
fn spam_is_an_answer_and_ends_no_connection() {
    let server = start(&unlimited());
    let mut talk = Talk::new(&server, "answers");
    for _ in 0..30 {
        let payload = serde_json::json!({ "roomId": talk.room, "message": "http://http://x" });
        let answer = talk.sender.ask("chat:send", &payload);
        assert_eq!(answer["error"]["code"], "SPAM_DETECTED", "{answer}");
    }
    alive(&server);
}

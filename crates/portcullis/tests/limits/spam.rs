//! T-135 to T-137: links, runs and phrases, as people see them.
//! Never: a spelling that hides a phrase, or a threshold that is off by one.

use crate::clients::{Talk, alive, recorded, start, unlimited};

fn check(name: &str, spam: &[&str], fine: &[&str]) {
    let server = start(&unlimited());
    let mut talk = Talk::new(&server, name);
    for text in spam {
        let shown: String = text.chars().take(50).collect();
        assert_eq!(talk.refused(text), "SPAM_DETECTED", "{shown:?}");
    }
    recorded(&server, "spam");
    for text in fine {
        talk.say(text);
    }
    alive(&server);
}

#[test]
fn t135_three_links_or_hosts_are_spam_and_two_are_not() {
    check(
        "links",
        &[
            "https://a.example and https://b.example and https://c.example",
            "http://a.example/1 http://a.example/2 http://a.example/3",
            "HTTPS://A.EXAMPLE HTTPS://B.EXAMPLE HTTPS://C.EXAMPLE",
            "https://a.example,https://b.example,https://c.example",
            "http://http://http://x.example",
            "a.com b.com c.net",
            "www.a.example www.b.example www.c.example",
            "https://a.exam\u{200b}ple https\u{200b}://b.example https://c.example",
        ],
        &[
            "https://a.example/path?x=1",
            "https://a.example and then some text and https://b.example",
            "http://http://x",
            "see a.com",
            "mail ann@a.com, bob@b.com, cat@c.com, eve@d.com",
            "3.14 is about 22/7, e.g. in main.rs or lib.rs and so on...etc",
        ],
    );
}

#[test]
fn t136_ten_repeats_pass_and_eleven_do_not() {
    let (ten, eleven) = ("a".repeat(10), "a".repeat(11));
    let many = "a".repeat(1_000);
    let family = "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}";
    let clusters = [family.repeat(10), family.repeat(11)];
    let accents = ["e\u{301}".repeat(10), "e\u{301}".repeat(11)];
    let inside = format!("well {} then", "!".repeat(11));
    let hidden = "a\u{200b}".repeat(11);
    let spaced = "a ".repeat(11);
    let bold = "<b>aaaaaa</b>aaaaa";
    let catastrophe = "ab".repeat(500);
    let spam: [&str; 8] =
        [&eleven, &many, &clusters[1], &accents[1], &inside, &hidden, &spaced, bold];
    check("runs", &spam, &[&ten, &clusters[0], &accents[0], &catastrophe, "a b a b a b"]);
}

#[test]
fn t137_phrases_are_found_however_they_are_spelled() {
    check(
        "phrases",
        &[
            "buy now",
            "BUY NOW!!!",
            "b u y  n o w",
            "b.u.y-n.o.w",
            "bu\u{443} now",
            "\u{ff42}\u{ff55}\u{ff59} \u{ff4e}\u{ff4f}\u{ff57}",
            "buy\u{200b}now",
            "buy\u{2060} \u{feff}now",
            "<b>bu</b>y now",
            "bu<!-- x -->y now",
            "b&#117;y now",
            "b\u{fa}\u{fd} n\u{f6}w",
            "\u{1d41b}\u{1d42e}\u{1d432} \u{1d427}\u{1d428}\u{1d430}",
            "hello, please click here friend",
            "\u{202e}buy now",
        ],
        &[
            "should I buy nowadays?",
            "the guy nowhere to be seen",
            "I will buy it, now that it is cheap",
            "who works from home tomorrow?",
        ],
    );
}

//! Tests of well-known passwords: tables of weak and of honest ones.
//! Never: a password that a user has.

use super::*;

#[test]
fn t_029_well_known_passwords_are_recognised_with_substitutions() {
    let common = [
        "password123456789",
        "P@ssw0rd!",
        "Summer2024!",
        "12345678",
        "987654321",
        "qwertyuiop",
        "QWERTY123",
        "aaaaaaaaaaaa",
        "abababab",
        "abc123abc123",
        "iloveyou",
        "letmein1",
        "monkeydragon",
        "19870412",
        "12041987",
        "1q2w3e4r",
        "1qaz2wsx",
        "passwordpassword",
        "Portcullis1",
        "annlee2024",
        "ANNLEE!!",
        "portcullis-annlee",
        "zxcvbnm,",
        "trustno1",
        "Pa55word2025",
        "abcdefgh",
        "hgfedcba",
        "admin@123",
        "changeme",
        "11112222",
    ];
    for password in common {
        assert!(is_common(password, &["AnnLee", "portcullis"]), "{password:?}");
    }
}

#[test]
fn uncommon_passwords_are_not_recognised() {
    let free = [
        "correct horse battery staple",
        "tr0ub4dor&3x",
        "gr\u{fc}n-elf",
        "uncommon-gravel",
        "94723816",
        "kLq9#vw2",
        "my dog eats 3 shoes",
        "\u{6f22}\u{5b57}\u{304b}\u{306a}\u{4ea4}\u{5b57}\u{5165}\u{529b}",
        "annleesgarden",
    ];
    for password in free {
        assert!(!is_common(password, &["annlee", "portcullis"]), "{password:?}");
    }
}

#[test]
fn longest_passwords_are_checked_quickly() {
    assert!(is_common(&"password1".repeat(14), &["ann"]));
    assert!(is_common(&"1".repeat(128), &[]));
    assert!(!is_common(&"1love2love3love".repeat(8).replace("3l", "3x"), &["", "ab"]));
}

const SITE: [&str; 5] = ["annlee", "portcullis", "AcmeCorp", "Z\u{fc}rich", "Stra\u{df}e"];

#[test]
fn weak_passwords_stay_weak_with_marks_separators_and_accents() {
    let weak = [
        "portcullis2026!!",
        "Portcullis99!!",
        "acmecorp2026!!",
        "annlee2026!!",
        "Password2026!!",
        "Summer2026!!",
        "zurich2026!!",
        "zuerich2026!",
        "Zürich2026!!",
        "strasse12345",
        "Straße12345",
        "STRASSE2026",
        "teagarden2026",
        "tea-garden-2026",
        "Tea.Garden.1",
        "ACME-CORP-99",
        "acme.corp.2026",
        "Acme_Corp_2026!",
        "p.o.r.t.c.u.l.l.i.s",
        "P-o-r-t-c-u-l-l-i-s",
        "p_a_s_s_w_o_r_d",
        "пароль123456",
        "йцукенгшщзхъ",
        "ПАРОЛЬ2026!!",
        "привет12345",
        "--password--",
        "!!password!!",
        "((Summer2026))",
        "**admin**2026",
        "Welcome2026!!",
        "Welcome-2026-!",
        "P@ssw0rd!!!!",
        "p@$$w0rd-2026",
        "dragon...monkey",
        "Monkey--Dragon!!",
        "summer/winter/2",
        "qwerty-12345!",
        "1q2w3e4r!!!",
        "abc!abc!123!",
        "letmein!!!",
        "Letmein.2026.",
        "iloveyou<3<3",
        "master_2026_!",
        "admin@@2026",
        "portcullis-annlee!!",
        "ANNLEE...2026",
        "annlee_annlee_1",
        "Passwort2026!!",
        "kennwort-12345",
        "sommer2026!!",
        "hallo!!2026",
        "contraseña2026!",
        "motdepasse123!",
        "geheim.2026!",
        "qwertz!12345",
        "December-2025!",
        "spring--2026",
        "#changeme#1",
        "$ecret!!2026",
        "login@12345!",
        "user_12345678",
        "test-test-test",
        "Tester!!!123",
        "20262026!!",
        "12345678!!",
        "1234-5678",
        "01.01.1990!",
    ];
    let context = [SITE.as_slice(), &["tea-garden"]].concat();
    let missed: Vec<_> = weak.iter().filter(|text| !is_common(text, &context)).collect();
    assert!(missed.is_empty(), "{missed:?}");
}

#[test]
fn honest_passwords_pass_beside_the_same_words() {
    let honest = [
        "correct horse battery staple",
        "my dog eats 3 shoes",
        "a portcullis of plain oak",
        "we chat about herons",
        "kLq9#vw2",
        "uncommon-gravel",
        "94723816",
        "tr0ub4dor&3x",
        "grün-elf",
        "annleesgarden",
        "a plain long sentence of my own",
        "the password is under the mat",
        "Summer rain falls on Zürich roofs",
        "blue kettle 47 sings",
        "oak.lantern.river.7",
        "heron&marsh-412",
        "Wer reitet so spät durch Nacht",
        "Der Garten blüht im Regen",
        "ein-ziemlich-langes-wort",
        "três pratos de trigo",
        "la lune est un fromage rond",
        "мой дед сажал репу в поле",
        "дождь-стучит-по-крыше",
        "漢字かな交字入力",
        "winter coat on chair nine",
        "i never learned to juggle",
        "Mx7!pQ2&zR9",
        "vK3-nT8-wB5-hJ6",
        "7fQz_Lm2Xw",
        "seventeen purple bicycles",
        "monkey island cafe 1842",
        "dragon fruit for breakfast",
        "tea in the garden at 5",
        "acme corp never sleeps",
        "anna lee walks to the harbour",
        "strassenmusik im herbstwind",
        "zuerich liegt am see",
        "three-cold-potatoes",
        "Marble!Otter!Comet",
        "gravel path, wet shoes",
        "sunny day; no umbrella",
        "monkey#?%&+~!=/",
        "q8#Lwéz!q8",
        "paper ferry to Lisbon",
        "hello from the lighthouse keeper",
        "orange cat under stairs",
        "copper kettle & thyme",
        "x9@Vt!r4Lp",
    ];
    let context = [SITE.as_slice(), &["tea-garden"]].concat();
    let rejected: Vec<_> = honest.iter().filter(|text| is_common(text, &context)).collect();
    assert!(rejected.is_empty(), "{rejected:?}");
}

//! Display names of users of other issuers, and reserved names.
//! Never: a name that reads as one of this server's own users, or as an office of the server.
//!
//! A name passes when it is one line of letters, digits and few separators that Unicode recommends
//! for identifiers (UTS #39), each word in one script, with at most two combining marks in a row;
//! when none of its words is reserved; and when no own user has a name that looks the same.
//! Own users register no reserved name either.

use std::sync::LazyLock;

use portcullis_model::{Role, RoleTable, UserId};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::{canonical_combining_class, is_combining_mark};
use unicode_security::{GeneralSecurityProfile, MixedScript, skeleton as confusable};

use crate::content::text::is_invisible;
use crate::directory::look_alike::{forms, has_few_letter_signs};

/// Longest display name, in characters.
const NAME_MAX_CHARS: usize = 64;
/// Combining marks in a row; more would cover the lines above and below.
const MARKS_MAX: usize = 2;
/// The separators of words.
const SEPARATORS: [char; 7] = [' ', '.', '_', '-', '\'', '@', '|'];
/// The beginning of a neutral name, and how many characters of the id follow.
const NEUTRAL_WORD: &str = "guest";
const NEUTRAL_TAIL_CHARS: usize = 8;
/// Substrings that no name contains.
const RESERVED_ANYWHERE: [&str; 3] = ["administrat", "moderator", "portcullis"];
/// Prefixes and suffixes that no word has.
const RESERVED_AT_ENDS: [&str; 1] = ["admin"];
/// Reserved words; digits at the ends of a word are ignored.
const RESERVED_WORDS: [&str; 15] = [
    "admins",
    "mod",
    "mods",
    "system",
    "server",
    "root",
    "operator",
    "operators",
    "staff",
    "official",
    "support",
    "security",
    "sysop",
    "guest",
    "deleted",
];
/// The form in which two names that look alike are the same.
///
/// Case, separators, marks and letters that are drawn alike make no difference.
#[must_use]
pub fn skeleton(name: &str) -> String {
    if name.is_ascii() {
        return ascii_skeleton(name);
    }
    let compatible: String = name.nfkc().collect();
    let lower = confusable(&compatible).collect::<String>().to_lowercase();
    let letters = confusable(&lower).flat_map(char::to_lowercase).nfd();
    let letters = letters.filter(|letter| letter.is_alphanumeric() && !is_combining_mark(*letter));
    let alike = letters.map(|letter| match letter {
        '0' => 'o',
        '1' | 'i' => 'l',
        other => other,
    });
    alike.collect::<String>().replace("vv", "w")
}

/// The skeleton of plain letters; a hundred times faster.
fn ascii_skeleton(name: &str) -> String {
    let mut skeleton = String::with_capacity(name.len() + 8);
    for letter in name.chars().map(|letter| letter.to_ascii_lowercase()) {
        match letter {
            'm' => skeleton.push_str("rn"),
            'i' | '1' | '|' => skeleton.push('l'),
            '0' => skeleton.push('o'),
            _ if letter.is_ascii_alphanumeric() => skeleton.push(letter),
            _ => {}
        }
    }
    if skeleton.contains("vv") { skeleton.replace("vv", "w") } else { skeleton }
}

/// The skeletons of reserved names.
struct ReservedNames {
    anywhere: Vec<String>,
    at_ends: Vec<String>,
    words: Vec<String>,
}

static RESERVED: LazyLock<ReservedNames> = LazyLock::new(|| {
    let skeletons = |words: &[&str]| words.iter().map(|word| skeleton(word)).collect();
    ReservedNames {
        anywhere: skeletons(&RESERVED_ANYWHERE),
        at_ends: skeletons(&RESERVED_AT_ENDS),
        words: skeletons(&RESERVED_WORDS),
    }
});

/// Whether a name reads as a reserved one: the server, its operators, a role.
fn is_reserved(name: &str, roles: &RoleTable) -> bool {
    reads_as_reserved(name, roles)
        || drawn_alike(name).is_some_and(|read| reads_as_reserved(&read, roles))
}

/// The name with the pairs of letters that look like a `d` as a `d`, if it has any.
///
/// For reserved words alone: as a rule of all names it would take `clark` from users for `dark`.
fn drawn_alike(name: &str) -> Option<String> {
    let read = ["cl", "c1", "c|"].iter().fold(String::from(name), |it, pair| it.replace(pair, "d"));
    (read != name).then_some(read)
}

fn reads_as_reserved(name: &str, roles: &RoleTable) -> bool {
    let offices = offices(roles);
    let is_office = |word: &String| {
        let is_at_end = |office: &String| word.starts_with(office) || word.ends_with(office);
        RESERVED.words.contains(word)
            || offices.contains(word)
            || RESERVED.at_ends.iter().any(is_at_end)
    };
    let has_office = |text: &str| {
        readings(text).iter().any(is_office)
            || text.split(SEPARATORS).flat_map(readings).any(|word| is_office(&word))
    };
    let is_like_reserved = |form: &String| {
        let joined = unmasked(form);
        RESERVED.anywhere.iter().any(|reserved| joined.contains(reserved))
            || has_office(form)
            || is_like_neutral(form)
    };
    has_office(name) || forms(name).iter().any(is_like_reserved)
}

/// Whether a name reads as a [`neutral_name`], with any characters between its letters.
fn is_like_neutral(name: &str) -> bool {
    let letters: Vec<char> = name.chars().filter(|letter| letter.is_alphanumeric()).collect();
    let word: String = letters.iter().take(NEUTRAL_WORD.len()).collect();
    letters.len() == NEUTRAL_WORD.len() + NEUTRAL_TAIL_CHARS
        && unmasked(&word) == skeleton(NEUTRAL_WORD)
}

/// Whether a name is reserved: own users cannot register it. Accounts that have it keep it.
#[must_use]
pub fn is_own_name_reserved(name: &str, roles: &RoleTable) -> bool {
    !is_numbered_guest(name) && is_reserved(name, roles)
}

/// Whether an own name is `guest` and a short number, which no [`neutral_name`] is.
fn is_numbered_guest(name: &str) -> bool {
    let number = name.strip_prefix(NEUTRAL_WORD).unwrap_or_default();
    (1..NEUTRAL_TAIL_CHARS).contains(&number.len())
        && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// The skeletons of the names of roles, without `user`.
fn offices(roles: &RoleTable) -> Vec<String> {
    let offices = roles.all().filter(|role| *role != Role::User);
    offices.map(|role| skeleton(roles.name(role))).collect()
}

/// The readings of a word: letters for letters or with digits in their place, and both without
/// the digits at its ends.
fn readings(word: &str) -> [String; 4] {
    let inner = word.trim_matches(|letter: char| letter.is_numeric());
    [skeleton(word), unmasked(word), skeleton(inner), unmasked(inner)]
}

/// A skeleton that maps digits and signs to the letters that they imitate.
fn unmasked(text: &str) -> String {
    let signs = text.chars().map(|letter| match letter {
        '@' | '4' => 'a',
        '3' => 'e',
        '5' | '$' => 's',
        '7' => 't',
        '|' | '!' => 'l',
        other => other,
    });
    skeleton(&signs.collect::<String>())
}

/// The names that the token of another issuer gives for a user.
#[derive(Debug, Clone, Copy)]
pub struct NameClaim<'a> {
    /// The name the issuer gives.
    pub name: Option<&'a str>,
    /// The subject: the issuer's id of the user.
    pub subject: &'a str,
    /// The user here.
    pub id: &'a UserId,
}

impl NameClaim<'_> {
    /// The name that is shown: the issuer's, else the subject, else a neutral one.
    ///
    /// `is_own` says whether an own user has a name that looks like this one.
    #[must_use]
    pub fn shown(&self, roles: &RoleTable, is_own: impl Fn(&str) -> bool) -> String {
        let candidates = self.name.into_iter().chain([self.subject]);
        let passes = |name: &String| is_shown(name, roles) && !is_own(name);
        let mut names = candidates.filter(|name| name.len() <= NAME_MAX_CHARS * 16);
        names
            .find_map(|name| Some(name.nfc().collect::<String>()).filter(passes))
            .unwrap_or_else(|| neutral_name(self.id))
    }
}

/// A neutral name: `guest` and the end of the user's id.
///
/// Own names have no space, and names from tokens no word `guest`, so no other user has it.
#[must_use]
pub fn neutral_name(id: &UserId) -> String {
    let letters: Vec<char> = id.as_str().chars().filter(char::is_ascii_alphanumeric).collect();
    let from = letters.len().saturating_sub(NEUTRAL_TAIL_CHARS);
    let tail = letters.get(from..).unwrap_or_default();
    format!("{NEUTRAL_WORD} {}", tail.iter().collect::<String>())
}

/// Whether a name follows the rules for users of other issuers, other users aside.
#[must_use]
pub fn is_shown(name: &str, roles: &RoleTable) -> bool {
    is_fit(name) && !is_reserved(name, roles)
}

/// Whether a character joins or parts its neighbours as their script needs it (RFC 5892, appendix
/// A.1 and A.2): Persian words of two parts, conjuncts of Indic scripts. Skeletons have none.
fn is_joiner(previous: char, letter: char, next: Option<char>) -> bool {
    let is_arabic = |letter: char| {
        matches!(letter, '\u{620}'..='\u{64a}' | '\u{66e}'..='\u{6d3}')
            || matches!(letter, '\u{750}'..='\u{77f}')
    };
    let in_conjunct = canonical_combining_class(previous) == VIRAMA
        && next.is_some_and(|next| next.is_alphabetic() && !is_combining_mark(next));
    match letter {
        '\u{200c}' => in_conjunct || (is_arabic(previous) && next.is_some_and(is_arabic)),
        '\u{200d}' => in_conjunct,
        _ => false,
    }
}

/// The combining class of the sign that takes the vowel from a letter.
const VIRAMA: u8 = 9;

/// One line of visible letters and digits, each word in one script.
fn is_fit(name: &str) -> bool {
    let mut marks = 0;
    let mut before = ' ';
    let following = name.chars().skip(1).map(Some).chain([None]);
    let mut takes = |(letter, next): (char, Option<char>)| {
        let previous = std::mem::replace(&mut before, letter);
        if is_joiner(previous, letter, next) {
            return true;
        }
        marks = if is_combining_mark(letter) { marks + 1 } else { 0 };
        marks <= MARKS_MAX
            && (SEPARATORS.contains(&letter)
                || (letter.identifier_allowed() && !is_invisible(letter)))
    };
    name.chars().count() <= NAME_MAX_CHARS
        && name.chars().zip(following).all(&mut takes)
        && has_few_letter_signs(name)
        && name.chars().any(|letter| letter.is_alphanumeric() && !is_combining_mark(letter))
        && !name.starts_with(is_combining_mark)
        && name.trim() == name
        && !name.contains("  ")
        && name.split(SEPARATORS).all(MixedScript::is_single_script)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::look_alike::looks;

    fn shown(name: Option<&str>, subject: &str) -> String {
        let id = UserId::parse("f_0123456789abcdef").unwrap();
        let own = ["ann", "Bill", "m.lee"].map(skeleton);
        let is_own = |name: &str| looks(name).iter().any(|look| own.contains(look));
        let mut roles = RoleTable::default();
        roles.define("helper").unwrap();
        NameClaim { name, subject, id: &id }.shown(&roles, is_own)
    }

    #[test]
    fn plain_letters_have_the_same_skeleton_on_both_paths() {
        // The characters of a name; `%` and other signs are not allowed.
        let letters = ('0'..='9').chain('A'..='Z').chain('a'..='z').chain(SEPARATORS);
        for letter in letters {
            // A sign without a skeleton of its own leads to the slow path.
            let long = skeleton(&format!("x{letter}v\u{301}"));
            assert_eq!(skeleton(&format!("x{letter}v")), long, "{letter:?}");
        }
    }

    #[test]
    fn honest_names_are_shown_as_they_are() {
        for name in [
            "Ann O'Neil",
            "Zo\u{eb} \u{5f20}\u{4f1f}",
            "Jos\u{e9} Garc\u{ed}a-L\u{f3}pez",
            "\u{418}\u{432}\u{430}\u{43d}",
            "\u{5c71}\u{7530}\u{592a}\u{90ce}",
            "\u{30e4}\u{30de}\u{30c0}",
            "\u{ae40}\u{cca0}\u{c218}",
            "\u{645}\u{62d}\u{645}\u{62f}",
            "\u{5e9}\u{5dc}\u{5d5}\u{5dd}",
            "\u{930}\u{93e}\u{92e}",
            "Nguy\u{1ec5}n",
            "x7",
            "user42",
            "Yasmin Badminton",
            "Modesty",
            "auth0|42",
            "Clark Maclean",
            "j\u{f6}rg",
            "\u{130}brahim \u{15e}ahin",
            "\u{141}ukasz \u{17b}\u{f3}\u{142}\u{107}",
            "\u{de}\u{f3}r\u{f0}ur",
            "\u{639}\u{644}\u{6cc}\u{200c}\u{631}\u{636}\u{627}",
            "\u{dc1}\u{dca}\u{200d}\u{dbb}\u{dd3}\u{db8}\u{dad}\u{dd3}",
            "\u{e2a}\u{e21}\u{e0a}\u{e32}\u{e22} \u{e43}\u{e08}\u{e14}\u{e35}",
            "O\u{2019}Neil",
        ] {
            assert_eq!(shown(Some(name), "42"), name);
        }
        assert_eq!(shown(None, "auth0|42"), "auth0|42");
        assert_eq!(shown(Some("e\u{301}ve"), "42"), "\u{e9}ve", "in normal form");
    }

    #[test]
    fn names_of_own_users_and_look_alikes_are_replaced() {
        for name in [
            "ann",
            "ANN",
            "A.n.n",
            "a n n",
            "\u{430}nn",
            "\u{ff41}nn",
            "\u{e1}nn",
            "a\u{301}nn",
            "Bi1l",
            "BiIl",
            "B|ll",
            "bi\u{13cf}l",
            "\u{1d400}nn",
            "rn.lee",
            "M Lee",
            "\u{ba}nn",
            "an|n",
            "ann|",
            "|ann",
            "@ann",
            "@nn",
            "an.n@",
            "m|lee",
            "m_lee|",
            "b||l",
        ] {
            assert_eq!(shown(Some(name), "42"), "42", "{name:?}");
        }
        assert_eq!(shown(Some("ann"), "Bill"), "guest 89abcdef", "the subject follows the rules");
    }

    #[test]
    fn names_of_offices_and_their_look_alikes_are_replaced() {
        for name in [
            "Moderator",
            "moderator",
            "M0derator",
            "m0d3r4t0r",
            "M o d e r a t o r",
            "Mod",
            "mod1",
            "\u{41c}oderator",
            "The Moderator",
            "admin",
            "Admin Ann",
            "adm1n",
            "AdmIn",
            "@dmin",
            "ad.min",
            "aclmin",
            "Ac1min",
            "ac|min Ann",
            "Moclerator",
            "SiteAdmin",
            "admin2",
            "Administrator",
            "Portcullis",
            "P0rtcullis Team",
            "\u{440}ortcullis",
            "System",
            "5ystem",
            "support",
            "Root",
            "helper",
            "HELPER",
            "guest 12345678",
            "deleted user",
            "\u{1d00}dmin",
            "\u{1f150}dmin",
            "st|aff",
            "sta-ff",
            "ro|ot",
            "offic|al",
            "m|od",
            "guest1",
            "g.u.e.s.t",
            "gue|st 89abcdef",
            "guest89abcdef",
            "de|eted user",
        ] {
            assert_eq!(shown(Some(name), "42"), "42", "{name:?}");
        }
    }

    #[test]
    fn unreadable_names_are_replaced() {
        let long = "a".repeat(65);
        let stacked = ["a", &"\u{5b0}".repeat(3)].concat();
        let zalgo = ["a", &"\u{335}".repeat(9)].concat();
        for name in [
            "",
            " x7",
            "x7 ",
            "x  7",
            "--",
            "<b>x7</b>",
            "x\u{202e}7",
            "x\u{200b}7",
            "x\u{200c}y",
            "x\u{200d}y",
            "\u{639}\u{200c}",
            "\u{639}\u{200c}\u{200c}\u{631}",
            "\u{639}\u{200d}\u{631}",
            "\u{dc1}\u{dca}\u{200d}",
            "\u{3164}",
            "x\u{7}7",
            "x\n7",
            "\u{301}x",
            "p\u{430}ypal",
            &long,
            &stacked,
            &zalgo,
        ] {
            assert_eq!(shown(Some(name), "42"), "42", "{name:?}");
        }
        assert_eq!(shown(Some(&long), "\n"), "guest 89abcdef");
    }

    #[test]
    fn own_users_cannot_register_the_name_of_an_office() {
        let roles = RoleTable::default();
        for name in [
            "admin",
            "aclmin",
            "Admin",
            "adm1n",
            "Moderator",
            "m0derator2",
            "portcullis",
            "SYSTEM",
            "deleted_user",
            "guest",
            "guest_1",
            "guest12345678",
            "guest_89abcdef",
            "guest89abcdef",
            "staff",
            "st-aff",
            "root",
            "R00T",
            "security",
            "m0d",
            "mod_team",
            "0fficial.support",
        ] {
            assert!(is_own_name_reserved(name, &roles), "{name}");
        }
        for name in [
            "ann",
            "victim",
            "modesty",
            "badminton",
            "a_user",
            "user42",
            "guest1",
            "guestrin",
            "supporter",
            "stafford",
            "rootham",
        ] {
            assert!(!is_own_name_reserved(name, &roles), "{name}");
        }
    }
}

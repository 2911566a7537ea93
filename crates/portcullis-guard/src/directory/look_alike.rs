//! Names that look alike: the readings of a name, and the own names that are too similar.
//! Never: a decision about a name; `display_name.rs` decides.
//!
//! Two rules, because a mistake costs different things. A user of another issuer whose name looks
//! like an own user's is shown under another name, so that rule is coarse: `i`, `l` and `1` are the
//! same. A user who registers has to choose another name, so that rule keeps ordinary names apart:
//! `Carl` and `Cari` are two names, `carl` and `car1` are not.

use std::collections::BTreeSet;

use unicode_normalization::char::is_combining_mark;

use crate::directory::display_name::skeleton;

/// Signs that can be read as a letter or as a separator.
const LETTER_SIGNS: [(char, char); 2] = [('|', 'l'), ('@', 'a')];

/// Whether a name has each sign that can be read as a letter at most once. So a name has five
/// readings at most.
pub(crate) fn has_few_letter_signs(name: &str) -> bool {
    LETTER_SIGNS.iter().all(|(sign, _)| name.matches(*sign).count() <= 1)
}

/// A name with the signs that look like letters as those letters, and without them. Beyond ASCII
/// also without any sign, since many scripts have signs that look like letters.
pub(crate) fn forms(name: &str) -> Vec<String> {
    let mut forms = vec![String::from(name)];
    for (sign, letter) in LETTER_SIGNS.into_iter().filter(|(sign, _)| name.contains(*sign)) {
        let with = |form: &String| form.replace(sign, letter.encode_utf8(&mut [0; 4]));
        let without = |form: &String| form.replace(sign, "");
        forms = forms.iter().flat_map(|form| [with(form), without(form)]).collect();
    }
    if !name.is_ascii() {
        let is_kept = |letter: &char| letter.is_alphanumeric() || is_combining_mark(*letter);
        forms.push(name.chars().filter(is_kept).collect());
    }
    forms
}

/// The skeletons of all readings of a name, each once.
pub(crate) fn looks(name: &str) -> BTreeSet<String> {
    forms(name).iter().map(|form| skeleton(form)).collect()
}

/// Whether an own user could be taken for another by these two names.
///
/// Case, separators, `0` and `o`, `rn` and `m`, `vv` and `w` make no difference; nor do `1`, a
/// capital `I`, `i` and `l` where one of the names has a `1` or a capital `I`.
#[must_use]
pub fn is_look_alike(name: &str, other: &str) -> bool {
    let is_ambiguous = |name: &str| name.contains(['1', 'I']);
    if skeleton(name) != skeleton(other) {
        return false;
    }
    is_ambiguous(name) || is_ambiguous(other) || exact_letters(name) == exact_letters(other)
}

/// As a skeleton of plain letters, with `i` and `l` apart.
fn exact_letters(name: &str) -> String {
    let letters = name.chars().filter(|letter| letter.is_alphanumeric());
    let letters: String = letters.flat_map(char::to_lowercase).collect();
    letters.replace('0', "o").replace('m', "rn").replace("vv", "w")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::text::is_invisible;
    use unicode_security::GeneralSecurityProfile;

    #[test]
    fn own_names_that_look_alike_are_found_and_ordinary_names_stay_apart() {
        let alike = [
            ("nora_q", "nora-q"),
            ("nora_q", "noraq"),
            ("nora_q", "n0ra.q"),
            ("nora_q", "NORA__Q"),
            ("martin", "rnartin"),
            ("will", "vvill"),
            ("carl", "car1"),
            ("carl", "carI"),
            ("cari", "car1"),
            ("Ian", "lan"),
            ("lillian", "1i1l1an"),
        ];
        for (name, other) in alike {
            assert!(is_look_alike(name, other) && is_look_alike(other, name), "{name} {other}");
        }
        let apart = [
            ("anna", "hanna"),
            ("anna", "ana"),
            ("anna", "anna2"),
            ("john1", "john2"),
            ("john", "john1"),
            ("carl", "cari"),
            ("bianca", "blanca"),
            ("clara", "ciara"),
            ("kai", "kal"),
            ("anna4", "annaa"),
            ("user5", "users"),
            ("max8", "maxb"),
        ];
        for (name, other) in apart {
            assert!(!is_look_alike(name, other) && !is_look_alike(other, name), "{name} {other}");
        }
    }

    #[test]
    fn every_sign_that_names_may_contain_is_ignored_in_one_reading() {
        let allowed = |letter: &char| {
            letter.identifier_allowed() && !is_invisible(*letter) || " ._-'@|".contains(*letter)
        };
        let signs = ('\0'..=char::MAX).filter(allowed).filter(|letter| !letter.is_alphanumeric());
        let signs: Vec<char> = signs.filter(|letter| !is_combining_mark(*letter)).collect();
        assert!(signs.len() > 7, "{signs:?}");
        for sign in signs {
            for name in [format!("carol{sign}q"), format!("carol_q{sign}")] {
                assert!(looks(&name).contains("carolq"), "{sign:?} {:x}", u32::from(sign));
            }
        }
    }

    #[test]
    fn letter_signs_are_read_as_letters_as_well() {
        for (name, own) in [("c@rol", "carol"), ("caro|", "carol"), ("c@ro|", "carol")] {
            assert!(looks(name).contains(&skeleton(own)), "{name}");
        }
        assert!(has_few_letter_signs("auth0|a@b") && !has_few_letter_signs("b||l"));
        assert_eq!(looks("ann").len(), 1);
    }
}

//! Recognises well-known passwords: combinations of few words, dates and runs.
//! Never: a list of leaked passwords; these rules match the most frequent entries of such lists.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Most pieces of a well-known password: for example a word, a year and a mark.
const PIECES_MAX: usize = 3;
/// Shortest word that counts; shorter ones are part of most words.
const WORD_MIN_CHARS: usize = 3;
/// Longest unit that is weak in any case when the password only repeats it.
const UNIT_MAX_CHARS: usize = 4;
/// Shortest run (`123`, `cba`, `qwe`, `aaa`) that counts as one piece.
const RUN_MIN_CHARS: usize = 3;

/// Fewest letters and digits of a password whose marks add nothing.
const BARE_MIN_CHARS: usize = 6;
/// Kinds of marks that add nothing.
const MARK_KINDS_FREE: usize = 3;

/// Words at the start of most lists of leaked passwords.
const WORDS: &str = "
    1q2w3e4r 1qaz 2wsx 3edc abc access account admin amanda andrew angel anthony apple arsenal
    ashley august autumn azerty baby badboy bailey banana barcelona baseball basketball batman
    beautiful bitch blink brandon buster butterfly change changeit changeme charlie cheese
    chelsea chocolate computer cookie cowboy daniel december default demo diamond dragon eagles
    email estrella family february flower football forever freedom friday friend friends fuck
    fuckyou george ginger google guest hannah happy harley hello hockey hottie hunter internet
    iloveyou ihateyou jackson january jasmine jennifer jessica jesus jordan joshua july june
    justin killer king letmein liverpool login london love lovely loveme lover maggie manager
    march marina martin master matrix matthew melissa mercedes merlin michael michelle monday
    money monkey monster morgan mother mustang naruto nicole ninja november october orange
    passcode passphrase passw0rd password pass pepper phoenix pokemon princess purple qazwsx
    qwerty qwertz rainbow ranger robert root samantha samsung saturday secret secure security
    september server shadow silver slipknot soccer spring starwars star summer sunday sunshine
    superman superstar sweet system taylor temp temporary test tester thomas thursday tigger
    trustno tuesday user victoria wednesday welcome whatever winter yankees yellow zaq xsw
    bonjour contrasena fruhling geheim hallo herbst kennwort motdepasse parola passwort schatz
    senha soleil sommer wachtwoord пароль привет любовь солнце наташа марина максим
";

/// Rows of keys, letters and digits along which runs go, forwards and backwards.
const ROWS: &[&str] = &[
    "0123456789012345678901234567890",
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "qwertzuiop",
    "yxcvbnm",
    "azertyuiop",
    "qsdfghjklm",
    "wxcvbn",
    "!@#$%^&*()",
    "йцукенгшщзхъ",
    "фывапролджэ",
    "ячсмитьбю",
    "абвгдежзийклмнопрстуфхцчшщъыьэюя",
];

/// Whether a password is well known, or built from the words of its context.
///
/// The cost is (code points) x (words and rows); the caller has bounded the password.
pub(crate) fn is_common(password: &str, context: &[&str]) -> bool {
    let text: Vec<char> = password.chars().flat_map(char::to_lowercase).collect();
    let unit = repeated_unit(&text);
    if unit.len() <= UNIT_MAX_CHARS {
        return true;
    }
    let known = KnownWords::new(context);
    let as_written: String = unit.iter().collect();
    let folded: Vec<char> = fold(&as_written).chars().collect();
    if pieces(&folded, &known, MarkCost::One) <= PIECES_MAX {
        return true;
    }
    // Many users add marks before, between and after pieces.
    let bare: Vec<char> = folded.iter().copied().filter(|seen| seen.is_alphanumeric()).collect();
    let least = pieces(&folded, &known, MarkCost::None).min(pieces(&bare, &known, MarkCost::One));
    bare.len() >= BARE_MIN_CHARS && least.saturating_add(marks_cost(&folded)) <= PIECES_MAX
}

/// The words and rows that a password is compared with, folded.
struct KnownWords {
    words: Vec<String>,
    rows: Vec<Vec<char>>,
}

impl KnownWords {
    fn new(context: &[&str]) -> Self {
        let bare = |word: &str| -> String {
            fold(word).chars().filter(|character| character.is_alphanumeric()).collect()
        };
        let mut words: Vec<String> = WORDS.split_ascii_whitespace().map(fold).collect();
        for word in context {
            words.extend([fold(word), bare(word), bare(&with_digraphs(word))]);
        }
        words.sort_unstable();
        words.dedup();
        let rows = ROWS.iter().map(|row| fold(row).chars().collect()).collect();
        Self { words, rows }
    }
}

/// Lower case without accents, and `ss` for `ß`: `Zürich` and `zurich` are one word.
fn fold(text: &str) -> String {
    let lower = text.nfkd().filter(|character| !is_combining_mark(*character));
    lower.flat_map(char::to_lowercase).collect::<String>().replace('ß', "ss")
}

/// German umlauts as they are written without them.
fn with_digraphs(text: &str) -> String {
    let lower = text.nfc().collect::<String>().to_lowercase();
    lower.replace('ä', "ae").replace('ö', "oe").replace('ü', "ue")
}

/// The weight of a mark between pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MarkCost {
    None,
    One,
}

/// The weight of marks that otherwise count nothing: one for each kind beyond the first three.
fn marks_cost(text: &[char]) -> usize {
    let mut marks: Vec<char> =
        text.iter().copied().filter(|seen| !seen.is_alphanumeric()).collect();
    marks.sort_unstable();
    marks.dedup();
    marks.len().saturating_sub(MARK_KINDS_FREE)
}

/// The unit that the text repeats (`abc` in `abcabcab`), otherwise the text itself.
fn repeated_unit(text: &[char]) -> &[char] {
    let repeats = |unit: usize| {
        let ahead = text.iter().skip(unit);
        text.iter().zip(ahead).all(|(one, other)| one == other)
    };
    let unit = (1..=text.len() / 2).find(|unit| repeats(*unit));
    unit.and_then(|unit| text.get(..unit)).unwrap_or(text)
}

/// The smallest number of known pieces that make up the text; `usize::MAX` if there is no such
/// combination.
///
/// A single digit or mark is a piece. A letter outside a known piece is not.
fn pieces(text: &[char], known: &KnownWords, marks: MarkCost) -> usize {
    let impossible = usize::MAX;
    let mut fewest = vec![impossible; text.len() + 1];
    if let Some(start) = fewest.first_mut() {
        *start = 0;
    }
    for start in 0..text.len() {
        let so_far = fewest.get(start).copied().unwrap_or(impossible);
        let Some(rest) = text.get(start..) else { break };
        if so_far == impossible {
            continue;
        }
        let is_mark = rest.first().is_some_and(|first| !first.is_alphanumeric());
        if is_mark
            && marks == MarkCost::None
            && let Some(end) = fewest.get_mut(start + 1)
        {
            *end = (*end).min(so_far);
        }
        for length in piece_lengths(rest, known) {
            if let Some(end) = fewest.get_mut(start + length) {
                *end = (*end).min(so_far + 1);
            }
        }
    }
    fewest.last().copied().unwrap_or(impossible)
}

/// The lengths of all pieces at the start of the text.
fn piece_lengths(rest: &[char], known: &KnownWords) -> Vec<usize> {
    let mut lengths = Vec::new();
    if rest.first().is_some_and(|first| !first.is_alphabetic()) {
        lengths.push(1);
    }
    lengths.extend(known.words.iter().filter_map(|word| starts_with_word(rest, word)));
    let runs = known.rows.iter().map(|row| run_length(rest, row)).chain([same_length(rest)]);
    lengths.extend(runs.flat_map(|longest| RUN_MIN_CHARS..=longest));
    lengths.extend(date_lengths(rest));
    lengths
}

/// The length of a word at the start of the text, also with substituted letters.
fn starts_with_word(rest: &[char], word: &str) -> Option<usize> {
    let length = word.chars().count();
    let mut pairs = rest.iter().zip(word.chars());
    let fits = length >= WORD_MIN_CHARS && rest.len() >= length;
    (fits && pairs.all(|(seen, meant)| is_substitute(*seen, meant))).then_some(length)
}

/// Whether a character substitutes a letter, as in `p4$$w0rd`.
fn is_substitute(seen: char, meant: char) -> bool {
    if seen == meant {
        return true;
    }
    let substitutes = match meant {
        'a' => "4@",
        'b' => "8",
        'e' => "3",
        'g' => "69",
        'i' => "1!|l",
        'l' => "1!|i",
        'o' => "0",
        's' => "5$",
        't' => "7+",
        'z' => "2",
        _ => "",
    };
    substitutes.contains(seen)
}

/// The length of the run along a row at the start of the text, in either direction.
fn run_length(rest: &[char], row: &[char]) -> usize {
    let backwards: Vec<char> = row.iter().rev().copied().collect();
    let along = |row: &[char]| {
        let starts = (0..row.len()).filter_map(|start| row.get(start..));
        let run = |tail: &[char]| {
            tail.iter().zip(rest).take_while(|(expected, seen)| expected == seen).count()
        };
        starts.map(run).max().unwrap_or(0)
    };
    along(row).max(along(&backwards))
}

/// How often the first character is repeated.
fn same_length(rest: &[char]) -> usize {
    rest.iter().take_while(|character| rest.first() == Some(character)).count()
}

/// The lengths of dates at the start of the text: a year, or eight digits that contain one.
fn date_lengths(rest: &[char]) -> Vec<usize> {
    let is_year = |digits: &[char]| {
        let century: String = digits.iter().take(2).collect();
        century == "19" || century == "20"
    };
    let digits = rest.iter().take_while(|character| character.is_ascii_digit()).count();
    let four = rest.get(..4).filter(|_| digits >= 4);
    let last_four = rest.get(4..8).filter(|_| digits >= 8);
    let mut lengths = Vec::new();
    if four.is_some_and(is_year) {
        lengths.push(4);
    }
    if last_four.is_some() && (four.is_some_and(is_year) || last_four.is_some_and(is_year)) {
        lengths.push(8);
    }
    lengths
}

#[cfg(test)]
#[path = "common_passwords_tests.rs"]
mod tests;

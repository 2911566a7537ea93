//! One pass over JSON text: grammar and structural limits, before anything is built from it.
//! Never: recursion, a value, or more memory than its keys need.

use std::borrow::Cow;

use portcullis_model::Denial;
use portcullis_model::limits::{
    INTEGER_MAX, JSON_DEPTH_MAX, JSON_ITEMS_MAX, JSON_KEYS_MAX, JSON_NODES_MAX,
};

/// The findings of a scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JsonScan<'a> {
    /// The first three elements, when the text is an array.
    pub elements: [Option<&'a str>; 3],
    /// How many elements the array has; 0 for any other value.
    pub items: usize,
}

/// Longest number, in bytes.
const NUMBER_MAX_BYTES: usize = 64;

/// Names that reach into the objects of a JavaScript reader.
const FORBIDDEN_KEYS: [&str; 3] = ["__proto__", "constructor", "prototype"];

/// Scans a JSON text: RFC 8259 exactly, and the limits of [`portcullis_model::limits`].
///
/// Refused on top of the grammar: a key twice in one object however it is escaped, keys that name
/// a prototype, numbers that are long, infinite or integers beyond 2^53 - 1, lone surrogates.
///
/// # Errors
/// [`Denial::Json`] with the limit or the part of the grammar the text breaks.
pub fn scan(text: &str) -> Result<JsonScan<'_>, Denial> {
    Scanner::new(text).run().map_err(Denial::Json)
}

/// The declared field whose value holds half of a surrogate pair, in a text that [`scan`] refused
/// for that.
pub(crate) fn surrogate_field(text: &str, fields: &'static [&'static str]) -> Option<&'static str> {
    let mut scanner = Scanner::new(text);
    let is_value = scanner.run() == Err("surrogate") && !scanner.in_key;
    let key = scanner.keys.last().filter(|_| is_value)?;
    fields.iter().copied().find(|field| field == key)
}

type Fault = &'static str;

const GRAMMAR: Fault = "grammar";

/// An array or object that has not ended yet.
enum Open {
    Array {
        /// Elements so far, counting the one that is being read.
        items: usize,
    },
    Object {
        /// Where its keys begin in the scanner's list.
        keys_from: usize,
    },
}

/// How reading a value went.
enum Value {
    /// It is over.
    Ended,
    /// Its first inner value is next.
    Opened,
}

/// The token after a value.
enum Next {
    /// Another value.
    Value,
    /// The end of the text.
    Done,
}

/// How a string is spelled.
enum Written {
    /// As it reads.
    Plain,
    /// With escapes.
    Escaped,
}

struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    nodes: usize,
    /// At most 32 long.
    open: Vec<Open>,
    /// Keys of all open objects: at most 32 x 256, and never more bytes than the text.
    keys: Vec<Cow<'a, str>>,
    /// Whether a key is being read.
    in_key: bool,
    /// Where the element of the outermost array began that is being read.
    element_start: usize,
    found: JsonScan<'a>,
}

impl<'a> Scanner<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            text,
            bytes: text.as_bytes(),
            at: 0,
            nodes: 0,
            open: Vec::new(),
            keys: Vec::new(),
            in_key: false,
            element_start: 0,
            found: JsonScan::default(),
        }
    }

    fn run(&mut self) -> Result<JsonScan<'a>, Fault> {
        self.space();
        loop {
            if self.open.len() == 1 {
                self.element_start = self.at;
            }
            self.nodes += 1;
            if self.nodes > JSON_NODES_MAX {
                return Err("nodes");
            }
            match self.value()? {
                Value::Opened => {}
                Value::Ended => match self.after_value()? {
                    Next::Value => {}
                    Next::Done => return Ok(self.found),
                },
            }
        }
    }

    /// Reads a scalar or an empty array or object; or opens one, up to its first value.
    fn value(&mut self) -> Result<Value, Fault> {
        let ended = |()| Value::Ended;
        match self.peek() {
            Some(b'{') => {
                self.push(Open::Object { keys_from: self.keys.len() })?;
                if self.take(b'}') {
                    self.open.pop();
                    return Ok(Value::Ended);
                }
                self.key()?;
                Ok(Value::Opened)
            }
            Some(b'[') => {
                self.push(Open::Array { items: 1 })?;
                if self.take(b']') {
                    self.open.pop();
                    return Ok(Value::Ended);
                }
                Ok(Value::Opened)
            }
            Some(b'"') => self.string().map(|_| Value::Ended),
            Some(b'-' | b'0'..=b'9') => self.number().map(ended),
            Some(b't') => self.word("true").map(ended),
            Some(b'f') => self.word("false").map(ended),
            Some(b'n') => self.word("null").map(ended),
            Some(_) | None => Err(GRAMMAR),
        }
    }

    /// Closes arrays and objects that end after a value, up to the next value.
    fn after_value(&mut self) -> Result<Next, Fault> {
        loop {
            if let [Open::Array { items }] = self.open.as_slice() {
                self.found.items = *items;
                if let Some(place) = self.found.elements.get_mut(items.saturating_sub(1)) {
                    *place = self.text.get(self.element_start..self.at);
                }
            }
            self.space();
            match self.open.last_mut() {
                None if self.at == self.bytes.len() => return Ok(Next::Done),
                None => return Err("trailing"),
                Some(Open::Array { items }) => {
                    *items += 1;
                    let too_many = *items > JSON_ITEMS_MAX;
                    if self.take(b',') {
                        self.space();
                        return if too_many { Err("items") } else { Ok(Next::Value) };
                    }
                    self.need(b']')?;
                }
                Some(Open::Object { keys_from }) => {
                    let keys_from = *keys_from;
                    if self.take(b',') {
                        self.space();
                        self.key()?;
                        return Ok(Next::Value);
                    }
                    self.need(b'}')?;
                    self.close_object(keys_from)?;
                }
            }
            self.open.pop();
        }
    }

    /// Opens an array or object, up to the text after its bracket.
    fn push(&mut self, open: Open) -> Result<(), Fault> {
        if self.open.len() >= JSON_DEPTH_MAX {
            return Err("depth");
        }
        self.open.push(open);
        self.at += 1;
        self.space();
        Ok(())
    }

    /// Reads a key and its colon, up to its value.
    fn key(&mut self) -> Result<(), Fault> {
        if self.peek() != Some(b'"') {
            return Err(GRAMMAR);
        }
        self.in_key = true;
        let (quoted, written) = self.string()?;
        self.in_key = false;
        let key = match written {
            Written::Plain => {
                let inner = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
                Cow::Borrowed(inner.ok_or(GRAMMAR)?)
            }
            Written::Escaped => Cow::Owned(serde_json::from_str(quoted).map_err(|_| GRAMMAR)?),
        };
        if FORBIDDEN_KEYS.contains(&&*key) {
            return Err("forbidden_key");
        }
        self.keys.push(key);
        if let Some(Open::Object { keys_from }) = self.open.last()
            && self.keys.len() - keys_from > JSON_KEYS_MAX
        {
            return Err("keys");
        }
        self.space();
        self.need(b':')?;
        self.space();
        Ok(())
    }

    /// Sorts an object's keys, 256 at most, so that equal ones are adjacent. A hash could be
    /// made to collide, and comparing each with each takes quadratic time.
    fn close_object(&mut self, keys_from: usize) -> Result<(), Fault> {
        let keys = self.keys.get_mut(keys_from..).unwrap_or_default();
        keys.sort_unstable();
        let twice = keys.windows(2).any(|pair| matches!(pair, [one, other] if one == other));
        self.keys.truncate(keys_from);
        if twice { Err("duplicate_key") } else { Ok(()) }
    }

    /// Reads a string; returns it with its quotes.
    fn string(&mut self) -> Result<(&'a str, Written), Fault> {
        let start = self.at;
        let mut written = Written::Plain;
        self.at += 1;
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..=0x1f);
            self.at += rest.iter().position(special).ok_or(GRAMMAR)?;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    let quoted = self.text.get(start..self.at).ok_or(GRAMMAR)?;
                    return Ok((quoted, written));
                }
                Some(b'\\') => {
                    written = Written::Escaped;
                    self.escape()?;
                }
                Some(_) | None => return Err("control_character"),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Fault> {
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 1;
                Ok(())
            }
            Some(b'u') => match self.code_unit()? {
                0xd800..=0xdbff => {
                    // RFC 8259 section 8.2: the meaning of a lone surrogate is unpredictable.
                    self.need(b'\\').map_err(|_| "surrogate")?;
                    match self.peek() {
                        Some(b'u') => {}
                        Some(_) | None => return Err("surrogate"),
                    }
                    match self.code_unit()? {
                        0xdc00..=0xdfff => Ok(()),
                        _ => Err("surrogate"),
                    }
                }
                0xdc00..=0xdfff => Err("surrogate"),
                _ => Ok(()),
            },
            Some(_) | None => Err("escape"),
        }
    }

    /// Reads `u` and four hexadecimal digits.
    fn code_unit(&mut self) -> Result<u32, Fault> {
        let digits = self.text.get(self.at + 1..self.at + 5).ok_or("escape")?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err("escape");
        }
        self.at += 5;
        u32::from_str_radix(digits, 16).map_err(|_| "escape")
    }

    /// RFC 8259 section 6.
    fn number(&mut self) -> Result<(), Fault> {
        let start = self.at;
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        let integer_end = self.at;
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            let _sign = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        let number = self.text.get(start..self.at).ok_or(GRAMMAR)?;
        if number.len() > NUMBER_MAX_BYTES {
            return Err("number_length");
        }
        let exact = if self.at == integer_end {
            let digits = number.strip_prefix('-').unwrap_or(number);
            digits.parse::<u64>().is_ok_and(|value| value <= INTEGER_MAX)
        } else {
            number.parse::<f64>().is_ok_and(f64::is_finite)
        };
        if exact { Ok(()) } else { Err("number_range") }
    }

    fn digits(&mut self) -> Result<(), Fault> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        if count == 0 { Err(GRAMMAR) } else { Ok(()) }
    }

    fn word(&mut self, word: &str) -> Result<(), Fault> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        if !rest.starts_with(word.as_bytes()) {
            return Err(GRAMMAR);
        }
        self.at += word.len();
        Ok(())
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn need(&mut self, byte: u8) -> Result<(), Fault> {
        if self.take(byte) { Ok(()) } else { Err(GRAMMAR) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn word(text: &str) -> &'static str {
        match scan(text) {
            Ok(_) => "ok",
            Err(denial) => denial.reason(),
        }
    }

    fn check(cases: &[(&str, &str)]) {
        for (text, expect) in cases {
            let shown: String = text.chars().take(60).collect();
            assert_eq!(word(text), *expect, "{shown:?}");
        }
    }

    #[test]
    fn grammar_is_rfc_8259() {
        check(&[
            ("{}", "ok"),
            (" \t\r\n[ ] ", "ok"),
            (r#"{"a":[1,{"b":null}],"c":"\u00e9\n\/"}"#, "ok"),
            ("true", "ok"),
            ("", "grammar"),
            ("   ", "grammar"),
            ("tru", "grammar"),
            ("truex", "trailing"),
            ("{} {}", "trailing"),
            ("[1,]", "grammar"),
            ("[,1]", "grammar"),
            ("[1 2]", "grammar"),
            ("[", "grammar"),
            ("[1", "grammar"),
            ("{\"a\"", "grammar"),
            ("{\"a\":", "grammar"),
            ("{\"a\":1,}", "grammar"),
            ("{a:1}", "grammar"),
            ("{1:1}", "grammar"),
            ("[1}", "grammar"),
            ("{\"a\":1]", "grammar"),
            ("]", "grammar"),
            ("'a'", "grammar"),
            ("\"a", "grammar"),
            ("\"a\nb\"", "control_character"),
            ("\"\u{7f}\u{80}\"", "ok"),
            (r#""\x""#, "escape"),
            (r#""\u12g4""#, "escape"),
            (r#""\u+123""#, "escape"),
            (r#""\u12"#, "escape"),
            ("\"\\u12\u{e9}\"", "escape"),
            ("\u{feff}{}", "grammar"),
            ("// a\n1", "grammar"),
            ("NaN", "grammar"),
        ]);
    }

    #[test]
    fn t_111_depth_is_bounded_without_a_stack() {
        let nested = |depth: usize| ["[".repeat(depth), "]".repeat(depth)].concat();
        let objects =
            |depth: usize| ["{\"a\":".repeat(depth), String::from("1"), "}".repeat(depth)].concat();
        for (depth, expect) in [(32, "ok"), (33, "depth"), (128, "depth"), (100_000, "depth")] {
            assert_eq!(word(&nested(depth)), expect);
            assert_eq!(word(&objects(depth)), expect);
        }
        assert_eq!(word(&"[".repeat(100_000)), "depth");
    }

    #[test]
    fn t_113_numbers_are_exact_or_rejected() {
        let long = ["1", &"0".repeat(9_999)].concat();
        let long_fraction = ["0.", &"3".repeat(63)].concat();
        check(&[
            ("0", "ok"),
            ("-0", "ok"),
            ("-12.5e-3", "ok"),
            ("1E+2", "ok"),
            ("9007199254740991", "ok"),
            ("-9007199254740991", "ok"),
            ("9007199254740992", "number_range"),
            ("-9007199254740993", "number_range"),
            ("1e400", "number_range"),
            ("-1e400", "number_range"),
            ("0.1", "ok"),
            (&long, "number_length"),
            (&long_fraction, "number_length"),
            ("01", "trailing"),
            ("[01]", "grammar"),
            ("+1", "grammar"),
            ("-", "grammar"),
            ("1.", "grammar"),
            (".5", "grammar"),
            ("1e", "grammar"),
            ("1e+", "grammar"),
            ("0x10", "trailing"),
            ("-Infinity", "grammar"),
        ]);
    }

    #[test]
    fn t_114_structure_is_bounded() {
        let items = |count: usize| format!("[{}]", vec!["1"; count].join(","));
        let keys = |count: usize| {
            let members: Vec<_> = (0..count).map(|key| format!("\"k{key}\":1")).collect();
            format!("{{{}}}", members.join(","))
        };
        let nodes = |count: usize| format!("[{}]", vec!["[1]"; count].join(","));
        check(&[
            (&items(1024), "ok"),
            (&items(1025), "items"),
            (&items(100_000), "items"),
            (&keys(256), "ok"),
            (&keys(257), "keys"),
            (&keys(10_000), "keys"),
            (&nodes(1023), "ok"),
            (&nodes(1024), "nodes"),
        ]);
    }

    #[test]
    fn t_115_keys_are_compared_after_decoding() {
        check(&[
            (r#"{"a":1,"b":2}"#, "ok"),
            (r#"{"a":1,"a":2}"#, "duplicate_key"),
            (r#"{"a":1,"\u0061":2}"#, "duplicate_key"),
            (r#"{"\u0061":1,"\u0061":2}"#, "duplicate_key"),
            (r#"{"\ud83d\ude00":1,"😀":2}"#, "duplicate_key"),
            (r#"{"b":1,"a":1,"c":{"a":1},"a":2}"#, "duplicate_key"),
            (r#"{"a":{"a":{"a":1}},"b":[{"a":1},{"a":1}]}"#, "ok"),
            (r#"{"A":1,"a":2,"":3}"#, "ok"),
            (r#"{"__proto__":1}"#, "forbidden_key"),
            (r#"{"\u005f_proto__":1}"#, "forbidden_key"),
            (r#"{"a":[{"constructor":1}]}"#, "forbidden_key"),
            (r#"{"prototype":1}"#, "forbidden_key"),
            (r#"{"a":"__proto__"}"#, "ok"),
        ]);
        let many: Vec<_> = (0..255).map(|key| format!("\"k{key}\":1")).collect();
        check(&[(&format!("{{{},\"\\u006b7\":1}}", many.join(",")), "duplicate_key")]);
    }

    #[test]
    fn t_117_lone_surrogates_are_rejected() {
        check(&[
            (r#""\ud83d\ude00""#, "ok"),
            (r#""\ud800""#, "surrogate"),
            (r#""\udc00""#, "surrogate"),
            (r#""\ud800x""#, "surrogate"),
            (r#""\ud800\n""#, "surrogate"),
            (r#""\ud800\ud800""#, "surrogate"),
            (r#""\ud800\u0041""#, "surrogate"),
            (r#"{"\ud800":1}"#, "surrogate"),
        ]);
    }

    #[test]
    fn lone_surrogate_names_its_declared_field() {
        for (text, expect) in [
            (r#"{"roomId":"r","message":"x\ud83d"}"#, Some("message")),
            (r#"["chat:send",{"message":"\ud83d","roomId":"r"}]"#, Some("message")),
            (r#"["chat:send",{"message":"x"},{"mid":"\ud83d"}]"#, None),
            (r#"{"message":"x","\ud83d":1}"#, None),
            (r#"{"other":"\ud83d"}"#, None),
            (r#"{"message":"x"}"#, None),
        ] {
            assert_eq!(surrogate_field(text, &["roomId", "message"]), expect, "{text}");
        }
    }

    #[test]
    fn elements_of_the_outermost_array_are_found() {
        let check = |text: &'static str, expect: &[&str]| {
            let found = scan(text).unwrap();
            let elements: Vec<_> = found.elements.into_iter().flatten().collect();
            let (first, _) = expect.split_at(expect.len().min(3));
            assert_eq!((elements.as_slice(), found.items), (first, expect.len()), "{text}");
        };
        check("{}", &[]);
        check("[]", &[]);
        check("[[]]", &["[]"]);
        check(r#"{"a":[1,2]}"#, &[]);
        check(r#"["a"]"#, &["\"a\""]);
        check(r#" [ "a" , {"b":[1,[2]]} , [ ] ] "#, &["\"a\"", r#"{"b":[1,[2]]}"#, "[ ]"]);
        check(r#"["a\"],",{},1,2]"#, &[r#""a\"],""#, "{}", "1", "2"]);
    }

    /// Faults that serde does not know: limits on top of the grammar.
    const LIMITS: [&str; 9] = [
        "depth",
        "keys",
        "items",
        "nodes",
        "duplicate_key",
        "forbidden_key",
        "number_length",
        "number_range",
        "surrogate",
    ];

    fn agrees_with_serde(text: &str) {
        let serde = serde_json::from_str::<serde_json::Value>(text).is_ok();
        let ours = word(text);
        assert!(ours == "ok" || !serde || LIMITS.contains(&ours), "serde alone takes {text:?}");
        assert!(ours != "ok" || serde, "serde alone rejects {text:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 512,
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn arbitrary_tokens_agree_with_serde(
            tokens in proptest::collection::vec(
                proptest::sample::select(vec![
                    "{", "}", "[", "]", ",", ":", " ", "\"", "\"a\"", "\"b\"", "\\", "\\u0061",
                    "\\ud83d", "\\ude00", "0", "1", "-", ".", "e", "E", "+", "12", "true", "false",
                    "null", "\n", "\u{1}", "\u{e9}", "nul", "1e5", "9007199254740993",
                ]),
                0..12,
            )
        ) {
            agrees_with_serde(&tokens.concat());
        }

        #[test]
        fn damaged_json_agrees_with_serde(at in 0..90_usize, with in "[\\x00-\\x7f]{0,2}") {
            let text = concat!(
                r#" {"a":[1,-2.5e3,"x\u00e9\n\ud83d\ude00",{}],"#,
                r#""b":{"c":[[],true,null]},"d":0.5} "#,
            );
            let at = at.min(text.len() - 1);
            agrees_with_serde(&format!("{}{with}{}", &text[..at], &text[at + 1..]));
            agrees_with_serde(&format!("{}{with}{}", &text[..at], &text[at..]));
        }

        #[test]
        fn output_of_serde_is_accepted(texts in proptest::collection::vec(".{0,12}", 0..8)) {
            let value = serde_json::json!({ "texts": texts, "nested": { "again": texts } });
            prop_assert_eq!(word(&value.to_string()), "ok");
        }
    }
}

//! Rejects shared secrets that can be guessed.
//! Never: a stronger secret made of a weak one; the server does not start.

/// Words of secrets that ship in examples, tutorials and cracking lists.
const PLACEHOLDERS: [&[u8]; 16] = [
    b"secret",
    b"changeme",
    b"change-me",
    b"change_me",
    b"change this",
    b"password",
    b"passw0rd",
    b"p@ssw0rd",
    b"example",
    b"default",
    b"placeholder",
    b"letmein",
    b"qwerty",
    b"jwt-key",
    b"jwt_key",
    b"keyboard cat",
];

/// Rejects secrets that can be guessed: RFC 7518 section 3.2 asks for as many bits as the hash has.
pub(crate) fn check_secret(secret: &[u8]) -> Result<(), &'static str> {
    if secret.len() < 32 {
        return Err("has fewer than 32 bytes");
    }
    if is_monotonous(secret, 10) {
        return Err("has too few different bytes");
    }
    if repeats(secret) {
        return Err("repeats itself");
    }
    if counts(secret) {
        return Err("is little more than a row of neighbours");
    }
    let text = secret.to_ascii_lowercase();
    let holds = |word: &&[u8]| text.windows(word.len()).any(|part| part == *word);
    if PLACEHOLDERS.iter().any(holds) {
        return Err("holds a well-known word");
    }
    Ok(())
}

pub(crate) fn is_monotonous(bytes: &[u8], distinct_min: usize) -> bool {
    let mut seen = bytes.to_vec();
    seen.sort_unstable();
    seen.dedup();
    seen.len() < distinct_min
}

/// A repeated short piece is as weak as the piece.
fn repeats(bytes: &[u8]) -> bool {
    let shifted = |period: usize| bytes.iter().zip(bytes.iter().skip(period)).all(|(a, b)| a == b);
    (1..=bytes.len() / 2).any(shifted)
}

/// `abcdefgh…`, `12345…`, 0 1 2 3: half of the bytes or more follow the one before.
fn counts(bytes: &[u8]) -> bool {
    let pairs = bytes.iter().zip(bytes.iter().skip(1));
    let rows = pairs.filter(|(a, b)| a.abs_diff(**b) == 1).count();
    rows * 2 >= bytes.len()
}

//! Errors as sentences: what happened, followed by each cause.
//! Never: the name of a variant, or a cause twice.

use std::error::Error;
use std::fmt;

/// Writes an error and its causes, with a colon between them.
///
/// For `impl Debug` of errors that a program returns from `main`: Rust prints those by `Debug`.
/// A cause that the text before it contains already is left out.
///
/// # Errors
/// The error of the formatter.
pub fn write_sentence(error: &dyn Error, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut text = error.to_string();
    formatter.write_str(&text)?;
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            write!(formatter, ": {next}")?;
        }
        text = next;
        cause = error.source();
    }
    Ok(())
}

/// Implements `Debug` for an error as a sentence, for programs that return it from `main`.
#[macro_export]
macro_rules! debug_as_sentence {
    ($error:ty) => {
        impl ::std::fmt::Debug for $error {
            fn fmt(&self, formatter: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                $crate::write_sentence(self, formatter)
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Outer(Option<std::io::Error>, &'static str);

    impl fmt::Display for Outer {
        fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str(self.1)
        }
    }

    crate::debug_as_sentence!(Outer);

    impl Error for Outer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.0.as_ref().map(|error| error as &(dyn Error + 'static))
        }
    }

    #[test]
    fn causes_follow_the_error_and_are_written_once() {
        let cause = || Some(std::io::Error::other("disk is gone"));
        let cases = [
            (Outer(None, "cannot start"), "cannot start"),
            (Outer(cause(), "cannot start"), "cannot start: disk is gone"),
            (Outer(cause(), "cannot start: disk is gone"), "cannot start: disk is gone"),
        ];
        for (error, expect) in cases {
            assert_eq!(format!("{error:?}"), expect);
        }
    }
}

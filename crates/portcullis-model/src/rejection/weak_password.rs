//! Why a new password is rejected, as texts for the user.
//! Never: the password, or the matching entry of a list.

/// Why a new password is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WeakPassword {
    /// It has fewer than 8 or more than 128 characters.
    Length,
    /// It is well known, or an attacker with word lists finds it within a million attempts.
    Guessable,
    /// It consists of the user's name, or of words of this site.
    Context,
    /// It is in the deployment's file of known passwords.
    Listed,
}

impl WeakPassword {
    /// The cause as a sentence for records and answers.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Length => "the password has fewer than 8 or more than 128 characters",
            Self::Guessable => "the password is well known or easy to guess",
            Self::Context => "the password is made of your name or of words of this site",
            Self::Listed => "the password is on a list of known passwords",
        }
    }

    /// The reason in one word, for records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Length => "length",
            Self::Guessable => "guessable",
            Self::Context => "context",
            Self::Listed => "listed",
        }
    }
}

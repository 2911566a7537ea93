//! `[message]`: the size of a message, and the treatment of markup (T-090, T-120 to T-131).
//! Never: a message that is larger than the buffer of a connection.

use portcullis_guard::{GateOptions, Malicious, Markup};
use portcullis_server::Options;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::profile::Profile;
use crate::config::read::error::ConfigError;
use crate::config::read::number::within;

/// `[message]`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct MessageSection {
    /// Most bytes of the payload of an event.
    #[schemars(range(min = 256, max = 65536))]
    size_max_bytes: Option<u32>,
    /// Whether formatting can include `https:` links.
    links: Option<bool>,
    /// What happens to markup that is not formatting. `escape` keeps it as text, `strip` removes
    /// it.
    #[schemars(extend("enum" = ["escape", "strip"]))]
    markup: Option<String>,
    /// What happens to messages with markup that would run as a script. `record` delivers the
    /// markup as text and writes a record, `refuse` rejects the message.
    #[schemars(extend("enum" = ["record", "refuse"]))]
    malicious: Option<String>,
}

/// The words for [`Markup`].
pub(crate) const MARKUP: [(&str, Markup); 2] =
    [("escape", Markup::Escape), ("strip", Markup::Strip)];
/// The words for [`Malicious`].
pub(crate) const MALICIOUS: [(&str, Malicious); 2] =
    [("record", Malicious::Record), ("refuse", Malicious::Refuse)];

/// Bytes of a frame beside the payload: event name, envelope, packet header.
const FRAME_OVERHEAD_BYTES: u32 = 2 * 1024;

impl MessageSection {
    pub(crate) fn read(
        &self,
        profile: Profile,
        server: Options,
        gate: GateOptions,
    ) -> Result<(Options, GateOptions), ConfigError> {
        let key = "message.size_max_bytes";
        let message_max_bytes =
            within(key, self.size_max_bytes, gate.message_max_bytes, 256..=65_536)?;
        let links_allowed = self.links.unwrap_or(gate.links_allowed);
        let markup = match &self.markup {
            None => gate.markup,
            Some(word) => {
                let known = MARKUP.iter().find(|(name, _)| name == word);
                let mend = "write \"escape\" or \"strip\"";
                let unknown = || ConfigError::no_such_choice("message.markup", word, mend);
                known.ok_or_else(unknown)?.1
            }
        };
        let malicious = match (&self.malicious, profile) {
            (None, Profile::Strict) => Malicious::Refuse,
            (None, Profile::Development | Profile::Production) => gate.malicious,
            (Some(word), _) => {
                let known = MALICIOUS.iter().find(|(name, _)| name == word);
                let mend = "write \"record\" or \"refuse\"";
                let unknown = || ConfigError::no_such_choice("message.malicious", word, mend);
                known.ok_or_else(unknown)?.1
            }
        };
        Ok((
            Options { message_max_bytes: message_max_bytes + FRAME_OVERHEAD_BYTES, ..server },
            GateOptions { message_max_bytes, links_allowed, markup, malicious, ..gate },
        ))
    }
}

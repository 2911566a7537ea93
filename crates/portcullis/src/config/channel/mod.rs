//! `[[alert.channel]]`: channels (an alert that reaches no administrator).
//! Never: a secret in the file, in an error, or in the output of `check`.

mod section; // the keys of a channel
mod kind; // the keys of each kind of channel
mod settings; // one channel, as the server starts it
mod receiver; // the receiver of alerts
mod target; // the URLs, and the addresses that are allowed
mod mail; // the mail server, the login, the addresses
mod secret; // the secret of a webhook
mod quiet; // quiet hours
mod value; // names, severities and shapes
#[cfg(test)]
mod tests;

pub(crate) use receiver::Receiver;
pub(crate) use section::ChannelSection;
pub(crate) use settings::ChannelSettings;

use crate::config::read::error::ConfigError;

/// Most channels.
const CHANNELS_MAX: usize = 16;

/// Reads all channels.
pub(crate) fn read_channels(
    sections: Vec<ChannelSection>,
) -> Result<Vec<ChannelSettings>, ConfigError> {
    if sections.len() > CHANNELS_MAX {
        let seen = format!("{} channels", sections.len());
        let why = format!("at most {CHANNELS_MAX} channels are possible");
        return Err(ConfigError::refused("alert.channel", seen, why, "remove some of them"));
    }
    let mut channels: Vec<ChannelSettings> = Vec::new();
    for section in sections {
        let channel = section.read()?;
        if channels.iter().any(|other| other.receiver.name() == channel.receiver.name()) {
            return Err(ConfigError::refused(
                "alert.channel.name",
                format!("{:?}", channel.receiver.name()),
                "another channel has this name",
                "write another name",
            ));
        }
        channels.push(channel);
    }
    for channel in &channels {
        let Some(fallback) = channel.receiver.fallback() else { continue };
        let is_other = |other: &ChannelSettings| match &other.receiver {
            Receiver::Channel(options) => {
                options.name == *fallback && options.name != channel.receiver.name()
            }
            Receiver::Monitor(_) => false,
        };
        if !channels.iter().any(is_other) {
            let (key, mend) = (
                "alert.channel.fallback",
                "write the name of another webhook, command or mail channel",
            );
            let why = "no other channel of this name gets messages";
            return Err(ConfigError::refused(key, format!("{fallback:?}"), why, mend));
        }
    }
    Ok(channels)
}

//! How many links and hosts a text points at.
//! Never: a look at where they lead.

/// Links in one message.
const LINKS_MAX: usize = 2;
/// Different hosts in one message, also named without `https://`.
const HOSTS_MAX: usize = 2;

/// Endings that make a bare `name.tld` a host; file names and abbreviations use others.
const ENDINGS: [&str; 28] = [
    "app", "biz", "cc", "click", "club", "co", "com", "dev", "info", "io", "live", "loan", "me",
    "net", "online", "org", "ru", "shop", "site", "store", "tk", "top", "tv", "vip", "win", "work",
    "xxx", "xyz",
];

/// Refuses too many links. The text is lower case and in compatibility form.
pub(crate) fn check<'a>(
    text: &str,
    targets: impl Iterator<Item = &'a str>,
) -> Result<(), &'static str> {
    let mut shown = Seen::default();
    text.split(is_separator).try_for_each(|word| shown.add_word(word))?;
    // A link's text often is the link: counted apart, so that it does not count twice.
    let mut hidden = Seen { links: 0, hosts: shown.hosts };
    for target in targets {
        hidden.add_links(target)?;
    }
    Ok(())
}

fn is_separator(character: char) -> bool {
    character.is_whitespace() || "()<>[]{}\"'`,;|\u{3001}\u{3002}".contains(character)
}

#[derive(Default)]
struct Seen<'a> {
    links: usize,
    hosts: Vec<&'a str>,
}

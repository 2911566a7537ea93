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
    let mut seen = Seen::default();
    text.split(is_separator).try_for_each(|word| seen.add_word(word))?;
    // The text of a link often is its target: counted apart, so that it does not count twice.
    seen.links = 0;
    for target in targets {
        seen.add_links(&target.to_ascii_lowercase())?;
    }
    Ok(())
}

fn is_separator(character: char) -> bool {
    character.is_whitespace() || "()<>[]{}\"'`,;|\u{3001}\u{3002}".contains(character)
}

#[derive(Default)]
struct Seen {
    links: usize,
    /// At most one more than allowed.
    hosts: Vec<String>,
}

impl Seen {
    fn add_word(&mut self, word: &str) -> Result<(), &'static str> {
        if word.contains("://") {
            return self.add_links(word);
        }
        if word.starts_with("www.") {
            self.links += 1;
            self.add_host(word)?;
        } else if !word.contains('@') && is_bare_host(host_of(word)) {
            self.add_host(word)?;
        }
        self.judge()
    }

    /// Every `http://` and `https://` in a word, however many stand inside one another.
    fn add_links(&mut self, word: &str) -> Result<(), &'static str> {
        for (at, _) in word.match_indices("://") {
            let (scheme, rest) = word.split_at_checked(at).unwrap_or((word, ""));
            if scheme.ends_with("http") || scheme.ends_with("https") {
                self.links += 1;
                self.add_host(rest.trim_start_matches("://"))?;
                self.judge()?;
            }
        }
        Ok(())
    }

    fn add_host(&mut self, address: &str) -> Result<(), &'static str> {
        let host = host_of(address);
        if !host.is_empty() && !self.hosts.iter().any(|known| known == host) {
            self.hosts.push(String::from(host));
        }
        self.judge()
    }

    fn judge(&self) -> Result<(), &'static str> {
        match (self.links > LINKS_MAX, self.hosts.len() > HOSTS_MAX) {
            (true, _) => Err("links"),
            (false, true) => Err("hosts"),
            (false, false) => Ok(()),
        }
    }
}

/// The host an address begins with: no user name, port, path, `www.` or full stop.
fn host_of(address: &str) -> &str {
    let authority = address.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let host = host.split(':').next().unwrap_or_default();
    host.trim_start_matches("www.").trim_end_matches(['.', '!'])
}

fn is_bare_host(host: &str) -> bool {
    let Some((name, ending)) = host.rsplit_once('.') else { return false };
    let in_name = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.');
    ENDINGS.contains(&ending)
        && name.starts_with(char::is_alphanumeric)
        && name.chars().all(in_name)
}

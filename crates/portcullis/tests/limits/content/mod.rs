//! Size and content: payloads, envelopes, text, markup, spam.
//! Never: a sleep; every wait has a deadline.

mod sizes; // how large, before anything is read
mod payloads; // JSON that is not what an event declares
mod envelopes; // numbers and ids of messages
mod characters; // Unicode that is refused or taken out
mod markup; // what a browser would run
mod spam; // links, runs and phrases

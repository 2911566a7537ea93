//! Size and content: payloads, envelopes, text, markup, spam.
//! Never: a sleep; every wait has a deadline.

mod sizes; // limits of sizes, before anything is read
mod payloads; // JSON that differs from the declaration of an event
mod envelopes; // numbers and ids of messages
mod characters; // Unicode that is refused or taken out
mod markup; // markup that a browser would run
mod spam; // links, runs and phrases

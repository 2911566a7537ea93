//! Display names: own users' names, which are unique, and names of other issuers' users.
//! Never: a decision; it finds the users whose names look alike.

use std::collections::HashMap;

use portcullis_model::UserId;

use crate::directory::display_name::skeleton;
use crate::directory::look_alike::looks;
use crate::directory::user::{User, UserFacts};

/// Names by skeleton; worst-case memory 200 bytes for an own user, 600 for another.
#[derive(Default)]
pub(crate) struct NameIndex {
    /// The own users whose names have this skeleton, with their names.
    pub(crate) own: HashMap<String, Vec<(UserId, Box<str>)>>,
    /// The users of other issuers, under each look of their names.
    pub(crate) external: HashMap<String, Vec<UserId>>,
}

impl NameIndex {
    pub(crate) fn add(&mut self, facts: &UserFacts) {
        if facts.external {
            for look in looks(&facts.name) {
                self.external.entry(look).or_default().push(facts.id.clone());
            }
        } else {
            let own = (facts.id.clone(), Box::from(facts.name.as_str()));
            self.own.entry(skeleton(&facts.name)).or_default().push(own);
        }
    }

    pub(crate) fn remove(&mut self, user: &User) {
        if user.external {
            for look in looks(&user.name()) {
                let Some(ids) = self.external.get_mut(&look) else { continue };
                ids.retain(|id| *id != user.id);
                if ids.is_empty() {
                    self.external.remove(&look);
                }
            }
            return;
        }
        let skeleton = skeleton(&user.name());
        if let Some(own) = self.own.get_mut(&skeleton) {
            own.retain(|(id, _)| *id != user.id);
            if own.is_empty() {
                self.own.remove(&skeleton);
            }
        }
    }

    /// Takes over another name.
    pub(crate) fn replace(&mut self, user: &User, facts: &UserFacts) {
        if *user.name() != *facts.name {
            self.remove(user);
            self.add(&UserFacts { external: user.external, ..facts.clone() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::space::DirectoryLimits;
    use crate::directory::tables::Directory;

    #[test]
    fn names_are_found_by_their_look_and_follow_changes() {
        let directory = Directory::new(DirectoryLimits::default());
        let id = |text: &str| UserId::parse(text).unwrap();
        let facts = |user: &str, name: &str| UserFacts::new(id(user), String::from(name));
        let external = |user: &str, name: &str| UserFacts { external: true, ..facts(user, name) };
        let is_own = |name: &str| directory.looks_like_own_name(name);
        directory.apply_user(facts("u1", "Alice"));
        directory.apply_user(external("f1", "B\u{f6}b"));
        assert!(is_own("a1ice") && !is_own("bob"));
        assert_eq!(directory.external_users_like("bob"), [id("f1")]);
        directory.apply_user(facts("u1", "Carol"));
        directory.apply_user(external("f1", "Dan"));
        assert!(is_own("carol") && !is_own("alice"));
        assert!(directory.external_users_like("bob").is_empty());
        assert_eq!(directory.external_users_like("DAN"), [id("f1")]);
        directory.end_users_beside(&std::collections::HashSet::new());
        assert!(!is_own("carol") && directory.external_users_like("dan").is_empty());
        assert_eq!(directory.tables()[0].used, 0);
    }

    #[test]
    fn own_look_alike_is_found_among_other_users_only() {
        let directory = Directory::new(DirectoryLimits::default());
        let id = |text: &str| UserId::parse(text).unwrap();
        let put = |user: &str, name: &str| {
            directory.apply_user(UserFacts::new(id(user), String::from(name)));
        };
        put("u1", "nora_q");
        put("u2", "Carl");
        let has = |name: &str, except: Option<&str>| {
            let except = except.map(id);
            directory.has_own_look_alike(name, except.as_ref())
        };
        for (name, except, expect) in [
            ("nora-q", None, true),
            ("n0ra_q", Some("u2"), true),
            ("n0ra_q", Some("u1"), false),
            ("cari", None, false),
            ("car1", None, true),
        ] {
            assert_eq!(has(name, except), expect, "{name}");
        }
        // Users of older versions may look alike; each stays when the other one leaves.
        put("u3", "nora-q");
        assert!(has("nora-q", Some("u3")) && has("nora_q", Some("u1")));
        put("u1", "olga");
        assert!(!has("nora_q", Some("u3")) && has("nora_q", None));
        // A name of another issuer's user is displaced under each of its readings.
        directory.apply_user(UserFacts {
            external: true,
            ..UserFacts::new(id("f1"), String::from("da|n"))
        });
        assert_eq!(directory.external_users_like("dan"), [id("f1")]);
        assert_eq!(directory.external_users_like("daln"), [id("f1")]);
    }
}

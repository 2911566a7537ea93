//! Display names: own users' names, which are unique, and names of other issuers' users.
//! Never: a decision; it finds the users whose names look alike.

use std::collections::HashMap;

use portcullis_model::UserId;

use crate::directory::Directory;
use crate::directory_user::{User, UserFacts};
use crate::display_name::skeleton;

/// Names by skeleton; worst-case memory 150 bytes a user.
#[derive(Default)]
pub(crate) struct NameIndex {
    /// How many own users have a name with this skeleton.
    own: HashMap<String, u32>,
    external: HashMap<String, Vec<UserId>>,
}

impl NameIndex {
    pub(crate) fn add(&mut self, facts: &UserFacts) {
        let skeleton = skeleton(&facts.name);
        if facts.external {
            self.external.entry(skeleton).or_default().push(facts.id.clone());
        } else {
            *self.own.entry(skeleton).or_default() += 1;
        }
    }

    pub(crate) fn remove(&mut self, user: &User) {
        let skeleton = skeleton(&user.name());
        if user.external {
            if let Some(ids) = self.external.get_mut(&skeleton) {
                ids.retain(|id| *id != user.id);
                if ids.is_empty() {
                    self.external.remove(&skeleton);
                }
            }
        } else if let Some(count) = self.own.get_mut(&skeleton) {
            *count -= 1;
            if *count == 0 {
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

impl Directory {
    /// Whether an own user has a name with this skeleton.
    #[must_use]
    pub fn is_own_name(&self, skeleton: &str) -> bool {
        self.names.read().own.contains_key(skeleton)
    }

    /// Whether another issuer vouches for a user.
    #[must_use]
    pub fn is_external(&self, user: &UserId) -> bool {
        self.user(user).is_some_and(|user| user.external)
    }

    /// The users of other issuers whose names look like this one.
    #[must_use]
    pub fn external_users_like(&self, name: &str) -> Vec<UserId> {
        self.names.read().external.get(&skeleton(name)).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::DirectoryLimits;

    #[test]
    fn names_are_found_by_their_look_and_follow_changes() {
        let directory = Directory::new(DirectoryLimits::default());
        let id = |text: &str| UserId::parse(text).unwrap();
        let facts = |user: &str, name: &str| UserFacts::new(id(user), String::from(name));
        let external = |user: &str, name: &str| UserFacts { external: true, ..facts(user, name) };
        let is_own = |name: &str| directory.is_own_name(&skeleton(name));
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
}

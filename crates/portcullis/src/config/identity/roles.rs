//! `[[role]]`, `[access]` and `[replay]`: roles, their events, and protection against replays.
//! Never: a rule for an undeclared event, which stops the start.

use std::collections::BTreeMap;

use portcullis_guard::{Replay, ReplayRules, RoleRules};
use portcullis_model::{RoleError, Roles};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::read::error::ConfigError;

/// `[[role]]`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["name"]))]
pub(crate) struct RoleSection {
    /// The name: `a-z 0-9 _ -`, a letter first, at most 32 characters, and none of `admin`,
    /// `moderator`, `auditor` and `user`.
    #[schemars(extend("examples" = ["support"]))]
    name: String,
    /// Events that the role can send beside those of users. With the suffix `:any`, in every room.
    #[schemars(extend("x-default" = [], "examples" = [["user:mute", "room:kick:any"]]))]
    actions: Vec<String>,
}

/// Reads the roles and their events; roles are numbered in the order of the file.
pub(crate) fn read_roles(
    sections: &[RoleSection],
    access: &BTreeMap<String, Vec<String>>,
) -> Result<RoleRules, ConfigError> {
    let mut rules = RoleRules::default();
    for section in sections {
        let role = rules.table.define(&section.name).map_err(|error| {
            let why = match error {
                RoleError::Name => "it is not a valid role name",
                RoleError::Taken => "another role has this name",
                RoleError::TooMany => "24 roles are the maximum",
            };
            let mend = "write a-z 0-9 _ -, a letter first, 32 at most, each name once";
            ConfigError::refused("role.name", format!("{:?}", section.name), why, mend)
        })?;
        rules.grants.extend(section.actions.iter().map(|action| (role, action.clone())));
    }
    for (event, names) in access {
        let mut roles = Roles::NONE;
        for name in names {
            let role = rules.table.parse(name).ok_or_else(|| {
                let key = format!("access.{event:?}");
                let mend = "write admin, moderator, user, or the name of a [[role]]";
                ConfigError::refused(key, format!("{name:?}"), "there is no such role", mend)
            })?;
            roles = roles.with(role);
        }
        rules.access.push((event.clone(), roles));
    }
    Ok(rules)
}

/// Reads the replay protection of events.
pub(crate) fn read_replay(
    section: &BTreeMap<String, String>,
    strict: bool,
) -> Result<ReplayRules, ConfigError> {
    let mut per_event = Vec::new();
    for (event, word) in section {
        let found = Replay::ALL.into_iter().find(|replay| replay.name() == word);
        let replay = found.ok_or_else(|| {
            let mend = "write \"none\", \"mid-optional\", \"mid\", \"seq+mid\" or \"signed\"";
            ConfigError::no_such_choice(&format!("replay.{event:?}"), word, mend)
        })?;
        per_event.push((event.clone(), replay));
    }
    Ok(ReplayRules { per_event, strict })
}

#[cfg(test)]
mod tests {
    use portcullis_model::Role;

    use super::*;
    use crate::config::read::file::File;

    fn read(text: &str) -> Result<(RoleRules, ReplayRules), String> {
        let file: File = toml::from_str(text).unwrap();
        let roles = read_roles(&file.role, &file.access).map_err(|error| error.to_string())?;
        let replay = read_replay(&file.replay, false).map_err(|error| error.to_string())?;
        Ok((roles, replay))
    }

    #[test]
    fn roles_access_and_replay_are_read() {
        let text = r#"
            [[role]]
            name = "support"
            actions = ["user:mute", "room:kick:any"]
            [[role]]
            name = "guest"
            [access]
            "room:create" = ["moderator", "support"]
            [replay]
            "chat:send" = "seq+mid"
        "#;
        let (roles, replay) = read(text).unwrap();
        let support = roles.table.parse("support").unwrap();
        assert_eq!(roles.grants.len(), 2);
        let create = Roles::NONE.with(Role::Moderator).with(support);
        assert_eq!(roles.access, [(String::from("room:create"), create)]);
        assert_eq!(replay.per_event, [(String::from("chat:send"), Replay::SeqMid)]);
    }

    #[test]
    fn invalid_role_or_rule_is_rejected() {
        let cases = [
            ("[[role]]\nname = \"Support\"", "role.name"),
            ("[[role]]\nname = \"admin\"", "role.name"),
            ("[[role]]\nname = \"a\"\n[[role]]\nname = \"a\"", "role.name"),
            ("[access]\n\"room:create\" = [\"Admin\"]", "access.\"room:create\""),
            ("[replay]\n\"chat:send\" = \"always\"", "replay.\"chat:send\""),
        ];
        for (text, key) in cases {
            let error = read(text).unwrap_err();
            assert!(error.starts_with(key), "{error}");
        }
    }
}

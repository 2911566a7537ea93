//! Changes of accounts by an operator, directly in the store, beside a running server.
//! Never: a check of the operator; every user who can read the data directory is one.

use portcullis_guard::make_admission_token;
use portcullis_model::{Denial, Now, Role, Secret, SessionId, WeakPassword};
use portcullis_server::random_id;
use portcullis_store::{
    AccountRow, AccountStore, ChangeUserOutcome, Factors, NewInvitation, NewSession,
    OpenSessionOutcome, StoreError, UserChange, UserChangeKind,
};

use crate::accounts::new_salt;
use crate::keys::server_secret::ServerSecret;
use crate::keys::signing_keys::SigningKeys;
use crate::login::attempts::account_key;
use crate::login::login_link::{LoginLink, OPERATOR_LINK_LIFE_S};
use crate::passwords::hashing::PasswordHashing;
use crate::passwords::password::Password;
use crate::passwords::policy::PasswordPolicy;
use crate::tokens::access_token::{ACCESS_TOKEN_LIFE_S, AccessClaims};
use crate::users::invitation;
use crate::users::username::Username;

/// Why a change of an operator failed.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// The store failed.
    #[error("cannot use the database")]
    Store(#[from] StoreError),
    /// No user has this name or id.
    #[error(
        "there is no user {0:?}: see portcullis user list; users of other issuers are named by id"
    )]
    NoUser(String),
    /// The user belongs to another issuer.
    #[error("{0:?} signs in with another issuer: change passwords and second factors there")]
    OtherIssuer(String),
    /// The server would have no administrator.
    #[error("{0:?} is the last administrator: give another user the role admin first")]
    LastAdmin(String),
    /// The user is disabled or banned.
    #[error("{0:?} is disabled or banned and cannot get a session: unlock or unban the user first")]
    Blocked(String),
    /// Operators have too many unused invitations.
    #[error("operators have 1000 unused invitations: wait until some are used or have expired")]
    Invitations,
    /// The new password breaks a rule.
    #[error("{}: choose another password of 8 to 128 characters", .0.sentence())]
    PasswordWeak(WeakPassword),
    /// The system returns no random bytes, or a library fails.
    #[error("cannot create it ({})", .0.reason())]
    Denied(Denial),
}

impl From<Denial> for OperatorError {
    fn from(denial: Denial) -> Self {
        match denial {
            Denial::PasswordWeak(why) => Self::PasswordWeak(why),
            other => Self::Denied(other),
        }
    }
}

/// A change of the status of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusChange {
    /// Adds a role.
    Grant(Role),
    /// Removes a role.
    Take(Role),
    /// Disables the account until it is enabled again.
    Lock,
    /// Enables the account again.
    Unlock,
    /// Bans the user until a time, in milliseconds since 1970; a time in the past lifts the ban.
    Ban(i64),
    /// Mutes the user until a time, in milliseconds since 1970; a time in the past lifts the mute.
    Mute(i64),
    /// Ends all sessions, and revokes all tokens issued so far.
    Logout,
}

/// A login link that an operator hands to a user.
pub struct OperatorLink {
    /// Query and fragment for a page. The query holds an admission token, so that an overloaded
    /// server serves the page.
    pub address: Secret<String>,
    /// When it ends, in milliseconds since 1970.
    pub ends_unix_ms: i64,
}

/// Access of an operator to the accounts.
pub struct OperatorAccounts<'a> {
    /// The store of users.
    pub store: &'a dyn AccountStore,
    /// The current time.
    pub now: Now,
}

impl OperatorAccounts<'_> {
    /// Finds a user by name or id.
    ///
    /// # Errors
    /// [`OperatorError::NoUser`], [`OperatorError::Store`].
    pub async fn find(&self, name: &str) -> Result<AccountRow, OperatorError> {
        let found = self.store.find_account(name).await?;
        found.ok_or_else(|| OperatorError::NoUser(String::from(name)))
    }

    /// Changes the status of a user; a running server applies it within a second.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn change(&self, name: &str, change: StatusChange) -> Result<(), OperatorError> {
        let person = self.find(name).await?;
        let what = match change {
            StatusChange::Grant(role) => UserChangeKind::Roles(person.roles.with(role)),
            StatusChange::Take(role) => UserChangeKind::Roles(person.roles.without(role)),
            StatusChange::Lock => UserChangeKind::Disabled(true),
            StatusChange::Unlock => UserChangeKind::Disabled(false),
            StatusChange::Ban(until_unix_ms) => UserChangeKind::Banned { until_unix_ms },
            StatusChange::Mute(until_unix_ms) => UserChangeKind::Muted { until_unix_ms },
            StatusChange::Logout => UserChangeKind::RevokeAll,
        };
        self.apply(name, person, what).await
    }

    /// Sets the password of a user of this server, which ends all sessions.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn set_password(
        &self,
        name: &str,
        password: Password,
        policy: &PasswordPolicy,
    ) -> Result<(), OperatorError> {
        let person = self.own(name).await?;
        policy.check(&password, &person.username).map_err(OperatorError::PasswordWeak)?;
        let phc = PasswordHashing::standard()?.hash(&password, &new_salt()?)?;
        self.apply(name, person, UserChangeKind::Password { phc, keep: None }).await
    }

    /// Removes a lost second factor; returns whether the user had one.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn remove_totp(&self, name: &str) -> Result<bool, OperatorError> {
        let person = self.own(name).await?;
        if person.has_totp {
            self.store.set_totp(person.id, None, None).await?;
        }
        Ok(person.has_totp)
    }

    /// Creates an invitation for one person; returns it with its end, in milliseconds since 1970.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn invite(&self) -> Result<(Secret<String>, i64), OperatorError> {
        let (invitation, hash) = invitation::make_invitation()?;
        let ends_unix_ms = self.now.unix_ms.saturating_add(invitation::LIFE_MS);
        let new = NewInvitation { hash, by: None, at_unix_ms: self.now.unix_ms, ends_unix_ms };
        match self.store.invite(new).await? {
            true => Ok((invitation, ends_unix_ms)),
            false => Err(OperatorError::Invitations),
        }
    }

    /// Creates a login link for a user of this server, relative to the address of the page.
    ///
    /// It admits one login, even when attackers have closed the account or the server is
    /// overloaded. The password, and the code if required, are still checked.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn login_link(
        &self,
        name: &str,
        secret: &ServerSecret,
    ) -> Result<OperatorLink, OperatorError> {
        let person = self.own(name).await?;
        let username = &person.username;
        let account = account_key(Username::parse(username).ok().as_ref(), username);
        let door = LoginLink::by_operator(secret, &account, self.now)?;
        let key = &secret.current().admission;
        // The admission ends with the link, so a used link does not admit other clients for a day.
        let (id, roles, life_s) = (&person.id, person.roles, OPERATOR_LINK_LIFE_S);
        let admission = make_admission_token(key, id, roles, life_s, self.now);
        self.store.record_login_link(person.id).await?;
        Ok(OperatorLink {
            address: Secret::new(format!("?admission={admission}#door={}", door.expose())),
            ends_unix_ms: self.now.unix_ms.saturating_add(OPERATOR_LINK_LIFE_S * 1000),
        })
    }

    /// Creates an access token for a user of this server, with a session that ends with the token.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn access_token(
        &self,
        name: &str,
        keys: &SigningKeys,
        issuer: &str,
        audience: &str,
    ) -> Result<Secret<String>, OperatorError> {
        let person = self.own(name).await?;
        let session = self.open_session(name, &person).await?;
        let token = keys.access_token(&AccessClaims {
            issuer,
            audience,
            user: &person.id,
            name: &person.username,
            session: session.as_str(),
            token: &random_id::<16>()?,
            issued_unix_s: self.now.unix_s(),
            authenticated_unix_s: self.now.unix_s(),
            generation: 0,
            bound: None,
        })?;
        Ok(token)
    }

    async fn open_session(
        &self,
        name: &str,
        person: &AccountRow,
    ) -> Result<SessionId, OperatorError> {
        let invalid = |_| OperatorError::Denied(Denial::Internal("session_id"));
        let id = SessionId::parse(&random_id::<20>()?).map_err(invalid)?;
        let ends_unix_ms = self.now.unix_ms.saturating_add(ACCESS_TOKEN_LIFE_S * 1000);
        let session = NewSession {
            id: id.clone(),
            user: person.id.clone(),
            at_unix_ms: self.now.unix_ms,
            idle_ends_unix_ms: ends_unix_ms,
            ends_unix_ms,
            device: String::from("command line"),
            address: String::new(),
            // No device: this session cannot be refreshed.
            device_hash: [0; 32],
            key: None,
            factors: Factors::Password,
            sessions_per_user_max: u32::MAX,
        };
        match self.store.open_session(session).await? {
            OpenSessionOutcome::Opened => Ok(id),
            OpenSessionOutcome::UserMissing => Err(OperatorError::Blocked(String::from(name))),
        }
    }

    /// Finds a user of this server.
    async fn own(&self, name: &str) -> Result<AccountRow, OperatorError> {
        let person = self.find(name).await?;
        match person.issuer {
            None => Ok(person),
            Some(_) => Err(OperatorError::OtherIssuer(String::from(name))),
        }
    }

    async fn apply(
        &self,
        name: &str,
        person: AccountRow,
        what: UserChangeKind,
    ) -> Result<(), OperatorError> {
        let change = UserChange { user: person.id, what, at_unix_ms: self.now.unix_ms };
        match self.store.change_user(change).await? {
            ChangeUserOutcome::Changed(_) => Ok(()),
            ChangeUserOutcome::Missing | ChangeUserOutcome::NameTaken => {
                Err(OperatorError::NoUser(String::from(name)))
            }
            ChangeUserOutcome::LastAdmin => Err(OperatorError::LastAdmin(String::from(name))),
        }
    }
}

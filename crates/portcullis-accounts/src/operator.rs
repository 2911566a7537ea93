//! What an operator does to people beside the server, over the store alone.
//! Never: a check of who asks; whoever can read the data directory is the operator.

use portcullis_guard::make_admission;
use portcullis_model::{Denial, Now, Role, Secret, SessionId, WeakPassword};
use portcullis_server::random_id;
use portcullis_store::{
    AccountRow, AccountStore, ChangeUserOutcome, Factors, NewInvitation, NewSession,
    OpenSessionOutcome, StoreError, UserChange, UserChangeKind,
};

use crate::accounts::fresh_salt;
use crate::keys::server_secret::ServerSecret;
use crate::keys::signing_keys::SigningKeys;
use crate::login::login_link::OPERATOR_LINK_LIFE_S;
use crate::login::password_login::budget_name;
use crate::passwords::password::{Password, PasswordHashing};
use crate::passwords::policy::PasswordPolicy;
use crate::tokens::access_token::{ACCESS_TOKEN_LIFE_S, AccessClaims};
use crate::users::invitation;
use crate::users::username::Username;

/// Why an operator's act did not happen.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// The store failed.
    #[error("the database could not be used")]
    Store(#[from] StoreError),
    /// Nobody has this name or id.
    #[error("there is no user {0:?}: users of other issuers are named by id, see user list")]
    NoUser(String),
    /// The user is another issuer's.
    #[error("{0:?} signs in with another issuer: passwords and factors are that issuer's")]
    Foreign(String),
    /// Nobody would be left who administers.
    #[error("{0:?} is the last administrator: make another one first")]
    LastAdmin(String),
    /// The user is locked out or banned.
    #[error("{0:?} is locked out or banned and gets no session")]
    Barred(String),
    /// Too many invitations of operators are unused.
    #[error("operators have 1000 unused invitations: wait until some are used or have ended")]
    Invitations,
    /// The new password is no good.
    #[error("{}: use 8 to 128 characters of another kind", .0.sentence())]
    PasswordWeak(WeakPassword),
    /// The machine gives no randomness, or a library refuses.
    #[error("it could not be made ({})", .0.reason())]
    Refused(Denial),
}

impl From<Denial> for OperatorError {
    fn from(denial: Denial) -> Self {
        match denial {
            Denial::PasswordWeak(why) => Self::PasswordWeak(why),
            other => Self::Refused(other),
        }
    }
}

/// What changes about a user's standing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Gets a role.
    Grant(Role),
    /// Loses a role.
    Take(Role),
    /// Is locked out until let in again.
    Lock,
    /// Is let in again.
    Unlock,
    /// Is out until a moment, in milliseconds since 1970; a past one lifts a ban.
    Ban(i64),
    /// May not speak until a moment, in milliseconds since 1970; a past one lifts it.
    Mute(i64),
    /// Is logged out everywhere, and every token issued before is void.
    Logout,
}

/// A login link that an operator hands to a user.
pub struct OperatorLink {
    /// The path, query and fragment: an admission, so that an overloaded server serves the page,
    /// and the link.
    pub fragment: Secret<String>,
    /// When it ends, in milliseconds since 1970.
    pub ends_unix_ms: i64,
}

/// An operator's hand on the accounts.
pub struct OperatorHand<'a> {
    /// The tables about people.
    pub store: &'a dyn AccountStore,
    /// The time.
    pub now: Now,
}

impl OperatorHand<'_> {
    /// The user of this name or id.
    ///
    /// # Errors
    /// [`OperatorError::NoUser`], [`OperatorError::Store`].
    pub async fn find(&self, name: &str) -> Result<AccountRow, OperatorError> {
        let found = self.store.find_account(name).await?;
        found.ok_or_else(|| OperatorError::NoUser(String::from(name)))
    }

    /// Changes what a user may do; a running server acts on it within a second.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn change(&self, name: &str, standing: Standing) -> Result<(), OperatorError> {
        let person = self.find(name).await?;
        let what = match standing {
            Standing::Grant(role) => UserChangeKind::Roles(person.roles.with(role)),
            Standing::Take(role) => UserChangeKind::Roles(person.roles.without(role)),
            Standing::Lock => UserChangeKind::Disabled(true),
            Standing::Unlock => UserChangeKind::Disabled(false),
            Standing::Ban(until_unix_ms) => UserChangeKind::Banned { until_unix_ms },
            Standing::Mute(until_unix_ms) => UserChangeKind::Muted { until_unix_ms },
            Standing::Logout => UserChangeKind::RevokeAll,
        };
        self.apply(name, person, what).await
    }

    /// Gives a user of our own another password, which ends all sessions.
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
        let phc = PasswordHashing::standard()?.hash(&password, &fresh_salt()?)?;
        self.apply(name, person, UserChangeKind::Password { phc, keep: None }).await
    }

    /// Takes a lost second factor away; gives whether there was one.
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

    /// An invitation for one person, and when it ends, in milliseconds since 1970.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn invite(&self) -> Result<(Secret<String>, i64), OperatorError> {
        let invitation = invitation::fresh()?;
        let ends_unix_ms = self.now.unix_ms.saturating_add(invitation::LIFE_MS);
        let kept = NewInvitation {
            hash: invitation::hash_of(invitation.expose()),
            by: None,
            at_unix_ms: self.now.unix_ms,
            ends_unix_ms,
        };
        match self.store.invite(kept).await? {
            true => Ok((invitation, ends_unix_ms)),
            false => Err(OperatorError::Invitations),
        }
    }

    /// A login link for a user of our own: the part behind the page's address.
    ///
    /// It admits one log-in, however many wrong passwords others have tried and however loaded the
    /// server is. The password, and where asked for the code, are still needed.
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
        let folded = budget_name(Username::parse(username).ok().as_ref(), username);
        let door = secret.new_operator_link(&folded, self.now)?;
        let key = &secret.current().admission;
        let admission = make_admission(key, &person.id, person.roles, self.now);
        self.store.record_login_link(person.id).await?;
        Ok(OperatorLink {
            fragment: Secret::new(format!("/?admission={admission}#door={}", door.expose())),
            ends_unix_ms: self.now.unix_ms.saturating_add(OPERATOR_LINK_LIFE_S * 1000),
        })
    }

    /// An access token for a user of our own, and the session it belongs to, which ends with it.
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
        let unsound = |_| OperatorError::Refused(Denial::Internal("session_id"));
        let id = SessionId::parse(&random_id::<20>()?).map_err(unsound)?;
        let ends_unix_ms = self.now.unix_ms.saturating_add(ACCESS_TOKEN_LIFE_S * 1000);
        let session = NewSession {
            id: id.clone(),
            user: person.id.clone(),
            at_unix_ms: self.now.unix_ms,
            idle_ends_unix_ms: ends_unix_ms,
            ends_unix_ms,
            device: String::from("command line"),
            address: String::new(),
            // Of no device: nothing refreshes this session.
            device_hash: [0; 32],
            key: None,
            factors: Factors::Password,
            sessions_per_user_max: u32::MAX,
        };
        match self.store.open_session(session).await? {
            OpenSessionOutcome::Opened => Ok(id),
            OpenSessionOutcome::UserMissing => Err(OperatorError::Barred(String::from(name))),
        }
    }

    /// A user who signs in here.
    async fn own(&self, name: &str) -> Result<AccountRow, OperatorError> {
        let person = self.find(name).await?;
        match person.issuer {
            None => Ok(person),
            Some(_) => Err(OperatorError::Foreign(String::from(name))),
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

//! Checks the second factor that a credential shows.
//! Never: how a factor is proved; this server's accounts and other issuers do that.

use portcullis_model::{Denial, Role, Roles};

use crate::authentication::authenticate::Authentication;
use crate::authentication::second_factor::SecondFactorRule;
use crate::directory::user::User;
use crate::tokens::token::VerifiedCredential;

impl Authentication {
    /// Checks the second factor of a credential, where all users need one.
    ///
    /// # Errors
    /// [`Denial::SecondFactor`], which names the next step of the user.
    pub fn check_second_factor(
        &self,
        verified: &VerifiedCredential,
        user: &User,
    ) -> Result<(), Denial> {
        if user.is_setup_only() {
            return Err(Denial::SecondFactor("setup"));
        }
        self.check_external_factor(verified)
    }

    /// Checks the second factor of a user of another issuer, who may be unknown here.
    ///
    /// # Errors
    /// [`Denial::SecondFactor`].
    pub fn check_external_factor(&self, verified: &VerifiedCredential) -> Result<(), Denial> {
        let shown = verified.own || verified.login.second_factor;
        let needed = self.policy.load().options.second_factor == SecondFactorRule::All;
        if needed && !shown { Err(Denial::SecondFactor("issuer")) } else { Ok(()) }
    }

    /// Roles that have no effect with a credential.
    ///
    /// A token of another issuer without a second factor gives no privileged role, wherever the
    /// role was granted. Each connection has the factor of its own token, so a stolen password
    /// gains nothing when the user signs in with two factors elsewhere.
    pub(crate) fn withheld_from(&self, verified: &VerifiedCredential) -> Roles {
        if verified.own || verified.login.second_factor {
            return Roles::NONE;
        }
        match self.policy.load().options.second_factor {
            SecondFactorRule::None => Roles::NONE,
            SecondFactorRule::Admins => self.policy.load().privileged,
            SecondFactorRule::Staff | SecondFactorRule::All => {
                Roles::from_bits(u32::MAX).without(Role::User)
            }
        }
    }

    /// The roles of a user that have an effect with a credential.
    #[must_use]
    pub fn roles_in_force(&self, verified: &VerifiedCredential, user: &User) -> Roles {
        user.roles().minus(self.withheld_from(verified))
    }
}

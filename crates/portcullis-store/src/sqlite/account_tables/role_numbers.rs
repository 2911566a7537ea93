//! The numbers of the roles that an operator defines.
//! Never: a number that moves from one name to another.

use portcullis_model::CUSTOM_ROLES_MAX;

use crate::error::StoreError;
use crate::sqlite::account_tables::transaction::AccountTransaction;

impl AccountTransaction<'_> {
    /// Assigns numbers to roles; see [`crate::AccountStore::assign_role_numbers`].
    pub(crate) fn assign_role_numbers(
        &mut self,
        names: &[String],
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let mut roles = self.roles()?;
        let known = roles.len();
        let mut numbers = Vec::with_capacity(names.len());
        for name in names {
            let held = roles.iter().find(|(_, role)| role == name).map(|(number, _)| *number);
            let number = match held {
                Some(number) => number,
                None => {
                    let Some(free) = free_number(&roles) else { return Ok(None) };
                    roles.push((free, name.clone()));
                    free
                }
            };
            numbers.push(number);
        }
        // Last: an assigned number is permanent, so none is assigned unless all names get one.
        let mut insert =
            self.connection.prepare_cached("INSERT INTO roles (number, name) VALUES (?1, ?2)")?;
        for (number, name) in roles.iter().skip(known) {
            insert.execute((number, name))?;
        }
        Ok(Some(numbers))
    }

    fn roles(&self) -> Result<Vec<(u8, String)>, StoreError> {
        let mut select = self.connection.prepare_cached("SELECT number, name FROM roles")?;
        let roles = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(roles.collect::<Result<_, _>>()?)
    }
}

fn free_number(roles: &[(u8, String)]) -> Option<u8> {
    (0u8..).take(CUSTOM_ROLES_MAX).find(|number| roles.iter().all(|(taken, _)| taken != number))
}

//! Users and their passwords.

use std::{collections::BTreeMap, fmt};

use bcrypt::HashParts;

use super::Problem;

/// Names, and bcrypt hashes of their passwords.
#[derive(Clone, PartialEq, Eq)]
pub struct Users {
    hashes: BTreeMap<String, String>,
    /// A hash that no password has, which takes as long as the slowest: how
    /// long an answer takes does not tell whether there is such a user.
    nobodys: String,
}

// Hashes are not for logs.
impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.hashes.keys()).finish()
    }
}

impl Users {
    pub(in crate::http) fn new(hashes: BTreeMap<String, String>) -> Result<Self, Problem> {
        let mut slowest = 0;
        for (user, hash) in &hashes {
            let parts: HashParts = hash.parse().map_err(|_| {
                let problem = "this is no bcrypt hash (`htpasswd -nB USER` makes one)";
                (format!("basic_auth_users.{user}"), problem.to_owned())
            })?;
            slowest = slowest.max(parts.get_cost());
        }
        Ok(Self {
            hashes,
            nobodys: format!("$2b${slowest:02}${}", ".".repeat(53)),
        })
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// What the password of this user has to fit; it never does if there is no
    /// such user.
    pub(crate) fn hash_of(&self, user: &str) -> &str {
        self.hashes.get(user).unwrap_or(&self.nobodys)
    }
}

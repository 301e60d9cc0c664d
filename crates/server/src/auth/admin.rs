//! Named admin tokens, and what the holder of each may do.

use std::fmt;

use serde::Serialize;

use super::{BadSecret, Hashed};

/// The name of the one token that `--admin-token` sets.
const SINGLE: &str = "admin";

/// The name of whoever uses the admin page of a server without tokens, on the machine itself.
const LOCAL: &str = "local";

/// Names that the change log uses for others than the holders of tokens.
const RESERVED: [&str; 2] = [LOCAL, "file"];

/// The longest name of a token, in characters.
const MAX_NAME_CHARS: usize = 64;

/// What the holder of an admin token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Permission {
    /// Look at flags, streams and changes, and have evaluations explained.
    Read,
    /// Change flags as well.
    Edit,
}

impl Permission {
    /// Reads `read` or `edit`; `None` for any other text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "read" => Some(Self::Read),
            "edit" => Some(Self::Edit),
            _ => None,
        }
    }
}

/// Why a token cannot be added. No message contains a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadAdminToken {
    /// The name is empty, too long, or has a blank or a control character in it.
    #[error(
        "an admin token needs a name of at most {MAX_NAME_CHARS} characters without blanks, such as `ana`"
    )]
    Name,
    /// The change log uses this name for something else.
    #[error("no admin token can have the name `{0}`, which the change log uses; choose another")]
    Reserved(String),
    /// Two tokens have the same name.
    #[error("two admin tokens have the name `{0}`; give each a name of its own")]
    SameName(String),
    /// Two names have the same token.
    #[error("the admin tokens of `{0}` and `{1}` are the same; give each a token of its own")]
    SameToken(String, String),
    /// The token itself cannot be used.
    #[error("the admin token `{0}`: {1}")]
    Token(String, BadSecret),
    /// A line of a file of tokens has not three parts.
    #[error("line {0}: expected a name, `read` or `edit`, and a token or its `sha256:` hash")]
    Line(usize),
}

/// A named token. Only its hash is kept.
#[derive(Clone, Debug)]
struct AdminToken {
    user: AdminUser,
    token: Hashed,
}

/// Who uses the admin page, and what this user may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AdminUser {
    /// The name of the token; `local` on a server without tokens.
    pub name: String,
    /// What the user may do.
    pub may: Permission,
}

impl AdminUser {
    /// Returns the user of a server without tokens, who may edit.
    pub(crate) fn local() -> Self {
        Self {
            name: LOCAL.to_owned(),
            may: Permission::Edit,
        }
    }
}

/// The admin tokens of a server.
#[derive(Clone, Default)]
pub struct AdminTokens {
    tokens: Vec<AdminToken>,
}

/// Shows the names alone.
impl fmt::Debug for AdminTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.tokens.iter().map(|one| &one.user.name);
        f.debug_list().entries(names).finish()
    }
}

impl AdminTokens {
    /// Returns the tokens of a server that has this one, whose name is `admin` and whose holder may edit.
    #[must_use]
    pub fn single(token: Hashed) -> Self {
        let user = AdminUser {
            name: SINGLE.to_owned(),
            may: Permission::Edit,
        };
        Self {
            tokens: vec![AdminToken { user, token }],
        }
    }

    /// Whether there is no token, so that the admin page works on this machine only.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Adds a token.
    ///
    /// # Errors
    /// [`BadAdminToken`], if the name cannot be used, or the name or the token is there already.
    pub fn add(&mut self, name: &str, may: Permission, token: Hashed) -> Result<(), BadAdminToken> {
        let unusable = |c: char| c.is_whitespace() || c.is_control();
        if name.is_empty() || name.chars().count() > MAX_NAME_CHARS || name.contains(unusable) {
            return Err(BadAdminToken::Name);
        }
        if RESERVED.contains(&name) {
            return Err(BadAdminToken::Reserved(name.to_owned()));
        }
        for known in &self.tokens {
            if known.user.name == name {
                return Err(BadAdminToken::SameName(name.to_owned()));
            }
            if known.token == token {
                let other = known.user.name.clone();
                return Err(BadAdminToken::SameToken(other, name.to_owned()));
            }
        }
        let name = name.to_owned();
        self.tokens.push(AdminToken {
            user: AdminUser { name, may },
            token,
        });
        Ok(())
    }

    /// Adds the tokens of a file that has a name, `read` or `edit`, and a token or its hash in each line. Empty lines and lines that
    /// begin with `#` are skipped.
    ///
    /// # Errors
    /// [`BadAdminToken`] of the first line that cannot be used.
    pub fn add_lines(&mut self, text: &str) -> Result<(), BadAdminToken> {
        for (line, number) in text.lines().zip(1..) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let parts: Vec<&str> = line.split_whitespace().collect();
            let &[name, may, token] = parts.as_slice() else {
                return Err(BadAdminToken::Line(number));
            };
            let may = Permission::parse(may).ok_or(BadAdminToken::Line(number))?;
            let token = token
                .parse()
                .map_err(|error| BadAdminToken::Token(name.to_owned(), error))?;
            self.add(name, may, token)?;
        }
        Ok(())
    }

    /// Returns the user whose token this is. All tokens are compared, each in constant time.
    pub(crate) fn find(&self, token: &str) -> Option<&AdminUser> {
        let given = Hashed::of(token);
        self.tokens.iter().fold(None, |found, one| {
            if one.token == given {
                Some(&one.user)
            } else {
                found
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_tokens_has_one_in_each_line() {
        let mut tokens = AdminTokens::single(Hashed::of("root"));
        // The hash is that of `abc`.
        let text = "# name may token\n\n  ana edit aaaa\r\nbo\tread sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n";
        tokens.add_lines(text).unwrap();
        let user = |token| {
            tokens
                .find(token)
                .map(|user| (user.name.as_str(), user.may))
        };
        assert_eq!(user("root"), Some(("admin", Permission::Edit)));
        assert_eq!(user("aaaa"), Some(("ana", Permission::Edit)));
        assert_eq!(user("abc"), Some(("bo", Permission::Read)));
        assert_eq!((user(""), user("aaa"), user("#")), (None, None, None));
        assert_eq!(format!("{tokens:?}"), r#"["admin", "ana", "bo"]"#);
    }

    #[test]
    fn what_cannot_be_a_token_is_said_without_it() {
        for (text, expected) in [
            ("ana edit", "line 1: expected a name"),
            ("\nana edit sesame more", "line 2: expected"),
            ("ana write sesame", "line 1: expected"),
            (
                "local edit sesame",
                "no admin token can have the name `local`",
            ),
            ("file read sesame", "the name `file`"),
            (
                "admin read sesame",
                "two admin tokens have the name `admin`",
            ),
            (
                "ana edit sesame\nbo read sesame",
                "of `ana` and `bo` are the same",
            ),
            (
                "ana edit sha256:sesame",
                "`ana`: `sha256:` must be followed",
            ),
            (
                &format!("{} edit sesame", "a".repeat(65)),
                "at most 64 characters",
            ),
        ] {
            let mut tokens = AdminTokens::single(Hashed::of("root"));
            let error = tokens.add_lines(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
            assert!(!error.contains("sesame"), "{error}");
        }
    }
}

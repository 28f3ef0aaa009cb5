//! Expressions: the recipients of a message in one line, such as `hallway & !muted`.
//!
//! ```text
//! either = both *( "|" both )
//! both   = term *( "&" [ "!" ] term )
//! term   = tag / "@" device / "(" either ")"
//! ```
//!
//! Spaces and tabs are allowed between all of these. `!` is allowed only directly after `&`, and not inside what it
//! negates. So it can only exclude devices: one that has none of the names never matches.
//!
//! An expression is its text, which was parsed once and so can be parsed again. Not here: which device has which name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::message::Target;

/// How many different names an expression may have.
pub const MAX_NAMES: usize = 8;
/// How many characters an expression may have.
pub const MAX_CHARACTERS: usize = 256;

/// A text that is not an expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at character {at}: {wrong}")]
pub struct InvalidExpression {
    /// The position of the error, in characters from 1.
    pub at: usize,
    /// What is wrong there.
    pub wrong: String,
}

/// An expression.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Expression(String);

impl Expression {
    /// The text, as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its tags and `@devices`, each once, in their order in the text.
    pub fn names(&self) -> Vec<&str> {
        let mut reader = Reader::of(&self.0, 0);
        // It was parsed before, so there is no error.
        let _ = reader.either(false);
        reader.names
    }

    /// Whether a device with exactly these names matches; bit `n` of `set` is name `n` of [`Self::names`].
    pub fn matches(&self, set: u8) -> bool {
        Reader::of(&self.0, set).either(false).unwrap_or(false)
    }

    /// All sets of names that match, in the form of [`Self::matches`].
    pub fn sets(&self) -> Vec<u8> {
        let sets = 1_u16 << self.names().len();
        let sets = (0..=u8::MAX).take(sets.into());
        sets.filter(|set| self.matches(*set)).collect()
    }
}

impl TryFrom<String> for Expression {
    type Error = InvalidExpression;
    fn try_from(text: String) -> Result<Self, InvalidExpression> {
        let mut reader = Reader::of(&text, 0);
        reader.whole()?;
        Ok(Self(text))
    }
}

impl FromStr for Expression {
    type Err = InvalidExpression;
    fn from_str(text: &str) -> Result<Self, InvalidExpression> {
        Self::try_from(text.to_owned())
    }
}

impl From<Expression> for String {
    fn from(expression: Expression) -> Self {
        expression.0
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Parses an expression and evaluates it on the way: whether a device with the names of `set` matches. No `!` is
/// taken inside what is `negated`.
struct Reader<'a> {
    text: &'a str,
    rest: &'a str,
    set: u8,
    names: Vec<&'a str>,
}

impl<'a> Reader<'a> {
    fn of(text: &'a str, set: u8) -> Self {
        Self {
            text,
            rest: text,
            set,
            names: Vec::new(),
        }
    }

    fn whole(&mut self) -> Result<(), InvalidExpression> {
        // Before anything else: parentheses are read by recursion.
        if self.text.chars().count() > MAX_CHARACTERS {
            return Err(InvalidExpression {
                at: MAX_CHARACTERS + 1,
                wrong: "no more than 256 characters are allowed".to_owned(),
            });
        }
        self.either(false)?;
        match self.rest {
            "" => Ok(()),
            _ => Err(self.wrong("expected &, | or the end")),
        }
    }

    fn either(&mut self, negated: bool) -> Result<bool, InvalidExpression> {
        let mut matches = self.both(negated)?;
        while self.takes('|') {
            matches |= self.both(negated)?;
        }
        Ok(matches)
    }

    fn both(&mut self, negated: bool) -> Result<bool, InvalidExpression> {
        let mut matches = self.term(negated)?;
        while self.takes('&') {
            let without = !negated && self.takes('!');
            matches &= self.term(negated || without)? != without;
        }
        Ok(matches)
    }

    fn term(&mut self, negated: bool) -> Result<bool, InvalidExpression> {
        if !self.takes('(') {
            return self.name();
        }
        let matches = self.either(negated)?;
        match self.takes(')') {
            true => Ok(matches),
            false => Err(self.wrong("expected &, | or )")),
        }
    }

    fn name(&mut self) -> Result<bool, InvalidExpression> {
        let ends = |c| matches!(c, ' ' | '\t' | '&' | '|' | '!' | '(' | ')');
        let end = self.rest.find(ends).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        if name.is_empty() {
            return Err(self.wrong(match rest.starts_with('!') {
                true => "! is allowed only directly after &, and not inside what it negates",
                false => "expected a tag, an @device or (",
            }));
        }
        if let Err(error) = Target::named(name) {
            return Err(self.wrong(&error.to_string()));
        }
        let known = self.names.iter().position(|known| *known == name);
        let n = known.unwrap_or(self.names.len());
        if n >= MAX_NAMES {
            return Err(self.wrong("no more than 8 names are allowed"));
        }
        if known.is_none() {
            self.names.push(name);
        }
        self.rest = rest;
        Ok(self.set >> n & 1 == 1)
    }

    /// Takes `sign`, if it is next.
    fn takes(&mut self, sign: char) -> bool {
        self.skip();
        let rest = self.rest.strip_prefix(sign);
        self.rest = rest.unwrap_or(self.rest);
        self.skip();
        rest.is_some()
    }

    fn skip(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }

    /// An error at the next character.
    fn wrong(&self, wrong: &str) -> InvalidExpression {
        InvalidExpression {
            at: self.text.chars().count() - self.rest.chars().count() + 1,
            wrong: wrong.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests;

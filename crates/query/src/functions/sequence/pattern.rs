//! The language of patterns.

use std::fmt;

/// How a time compares to an earlier one plus a length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeOrder {
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `==`
    Equal,
}

/// One element of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// `(?1)`: an event that meets this condition, numbered from 0.
    Condition(usize),
    /// `.`: any event.
    Any,
    /// `.*`: any number of events, as few as will do.
    Star,
    /// `(?t>=3600)`: any number of events, until the next event's time compares so to the time
    /// before plus this many ticks.
    Time(TimeOrder, i64),
}

/// A pattern as it was read, with the `.*` that every pattern starts with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    actions: Vec<Action>,
}

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at position {position} of the pattern: {expected}, but found {}", Found(found))]
pub struct PatternError {
    /// Where reading stopped, in characters from 1.
    pub position: usize,
    /// What would be right there.
    pub expected: String,
    /// What is there instead: the rest of the pattern.
    pub found: String,
}

struct Found<'a>(&'a str);

impl fmt::Display for Found<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { f.write_str("its end") } else { write!(f, "'{}'", self.0) }
    }
}

impl Pattern {
    /// Reads a pattern over `conditions` conditions, in which a number of time stands for
    /// `ticks_per_number` ticks.
    ///
    /// # Errors
    /// [`PatternError`]: where the text is wrong, and what is expected.
    pub fn parse(text: &str, conditions: usize, ticks_per_number: i64) -> Result<Self, PatternError> {
        let mut reader = Reader { text, position: 0 };
        let mut actions = vec![Action::Star];
        while !reader.rest().is_empty() {
            let start = reader.position;
            if reader.takes("(?t") {
                if matches!(actions.last(), Some(Action::Time(..))) {
                    reader.position = start;
                    return reader.fails("expected a condition, '.' or '.*' between two conditions on time");
                }
                let order = reader.time_order()?;
                let number = reader.number("a whole number of time units")?;
                actions.push(Action::Time(order, number.saturating_mul(ticks_per_number)));
                reader.closes()?;
            } else if reader.takes("(?") {
                let start = reader.position;
                let number = reader.number("the number of a condition, or 't' and a comparison")?;
                let Some(condition) = usize::try_from(number - 1).ok().filter(|index| *index < conditions)
                else {
                    reader.position = start;
                    return reader.fails(&format!("expected the number of a condition, 1 to {conditions}"));
                };
                actions.push(Action::Condition(condition));
                reader.closes()?;
            } else if reader.takes(".*") {
                actions.push(Action::Star);
            } else if reader.takes(".") {
                actions.push(Action::Any);
            } else {
                return reader.fails("expected '(?1)', '.', '.*' or '(?t>=1)'");
            }
        }
        Ok(Self { actions })
    }

    /// The elements, the first a [`Action::Star`].
    pub fn actions(&self) -> &[Action] {
        &self.actions
    }

    /// How many of the elements are conditions.
    pub fn condition_count(&self) -> usize {
        self.actions.iter().filter(|action| matches!(action, Action::Condition(_))).count()
    }
}

/// A place in a text.
struct Reader<'a> {
    text: &'a str,
    position: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.position..]
    }

    fn takes(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.position += token.len();
        }
        found
    }

    fn fails<T>(&self, expected: &str) -> Result<T, PatternError> {
        let position = self.text[..self.position].chars().count() + 1;
        Err(PatternError { position, expected: expected.to_owned(), found: self.rest().to_owned() })
    }

    fn closes(&mut self) -> Result<(), PatternError> {
        if self.takes(")") { Ok(()) } else { self.fails("expected ')'") }
    }

    fn time_order(&mut self) -> Result<TimeOrder, PatternError> {
        let orders = [
            ("<=", TimeOrder::LessOrEqual),
            ("<", TimeOrder::Less),
            (">=", TimeOrder::GreaterOrEqual),
            (">", TimeOrder::Greater),
            ("==", TimeOrder::Equal),
        ];
        match orders.into_iter().find(|(token, _)| self.takes(token)) {
            Some((_, order)) => Ok(order),
            None => self.fails("expected '<', '<=', '>', '>=' or '=='"),
        }
    }

    fn number(&mut self, what: &str) -> Result<i64, PatternError> {
        let rest = self.rest();
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let Ok(number) = rest[..digits].parse() else {
            return self.fails(&format!("expected {what}"));
        };
        self.position += digits;
        Ok(number)
    }
}

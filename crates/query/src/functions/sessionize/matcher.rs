//! Numbering sessions: plain Rust over one user's times.

/// The sessions of one user, counted event by event.
#[derive(Debug, Clone)]
pub struct Sessions {
    timeout: i64,
    count: i64,
    last: Option<i64>,
    /// Whether times rise; `None` until two differ.
    rises: Option<bool>,
}

/// The times go up and down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the times are not in order")]
pub struct NotInOrder;

impl Sessions {
    /// For a timeout in the unit of the times: a longer gap ends a session.
    pub fn new(timeout: i64) -> Self {
        Self { timeout, count: 0, last: None, rises: None }
    }

    /// The number of the session of the next event, from 1.
    ///
    /// # Errors
    /// [`NotInOrder`] if the times neither only rise nor only fall.
    pub fn number(&mut self, time: i64) -> Result<i64, NotInOrder> {
        let Some(last) = self.last.replace(time) else {
            self.count = 1;
            return Ok(self.count);
        };
        if time != last {
            let rises = time > last;
            if *self.rises.get_or_insert(rises) != rises {
                return Err(NotInOrder);
            }
        }
        if time.abs_diff(last) > self.timeout.unsigned_abs() {
            self.count += 1;
        }
        Ok(self.count)
    }
}

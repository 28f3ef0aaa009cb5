//! The log of a run, one line per event, to understand a failure by.

use tagpost_core::time::Millis;

/// The lines, if they are wanted: most runs succeed, and nobody reads how.
#[derive(Debug, Default)]
pub(crate) struct History {
    lines: Option<Vec<String>>,
    start: Millis,
}

impl History {
    /// One that is kept, or not, of what happens from `start` on.
    pub(crate) fn new(kept: bool, start: Millis) -> Self {
        Self {
            lines: kept.then(Vec::new),
            start,
        }
    }

    /// Adds a line.
    pub(crate) fn note(&mut self, at: Millis, text: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.lines {
            let seconds = (at - self.start) as f64 / 1000.0;
            lines.push(format!("{seconds:>10.3}  {}", text()));
        }
    }

    pub(crate) fn into_lines(self) -> Vec<String> {
        self.lines.unwrap_or_default()
    }
}

//! Report of a run, written while it goes on.

pub(crate) mod json;
pub(crate) mod tree;

use crate::{RunError, Summary, flow::Flow, rejection::Rejection};

pub(crate) trait Report {
    /// The registration `number`, on line `line`, has led to `flow`.
    fn flow(&mut self, number: u64, line: u64, flow: &Flow) -> Result<(), RunError>;

    /// The line `line` is no registration.
    fn rejected(&mut self, line: u64, rejection: &Rejection) -> Result<(), RunError>;

    /// There is nothing more to tell, except for the totals.
    fn finish(self, summary: &Summary) -> Result<(), RunError>;
}

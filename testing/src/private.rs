//! Functions that macros write into other crates. They may change at any time.

pub use crate::assertions::effects::{Condition, check_emitted};
pub use crate::assertions::published::{Count, Field, Guard, check, field};

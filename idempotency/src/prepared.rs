use std::{
    any::Any,
    fmt,
    sync::{Arc, OnceLock},
};

use setpiece_policy::Fault;

/// A store's own form of a request, made by the first try and sent again by all others, so that they
/// have the same bytes.
///
/// A clone of the request begins without it, because the clone may be changed.
#[derive(Default)]
pub(crate) struct Prepared(OnceLock<Arc<dyn Any + Send + Sync>>);

impl Prepared {
    /// Returns what was made before, or makes it.
    #[cfg_attr(not(feature = "dynamodb"), expect(dead_code, reason = "stores that send bytes"))]
    pub(crate) fn get_or_make<T: Clone + Send + Sync + 'static>(
        &self,
        make: impl FnOnce() -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        if let Some(made) = self.0.get().and_then(|made| made.downcast_ref::<T>()) {
            return Ok(made.clone());
        }
        let first = make()?;
        // Clones of a map have its order, which is what counts here.
        _ = self.0.set(Arc::new(first.clone()));
        Ok(first)
    }
}

impl Clone for Prepared {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for Prepared {
    /// Follows from the request, so it tells no two of them apart.
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Prepared {}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Prepared")
    }
}

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use setpiece_policy::Fault;

use super::PayloadStore;

/// Keeps payloads in memory, for tests. Clones are the same store.
#[derive(Clone, Default)]
pub struct InMemoryPayloads {
    payloads: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
}

impl InMemoryPayloads {
    const SCHEME: &'static str = "memory:";

    /// A store without payloads.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the number of payloads.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Returns true if there are no payloads.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Changes each payload that is kept: forgets it where `change` says `false`.
    pub fn retain(&self, mut change: impl FnMut(&str, &mut Vec<u8>) -> bool) {
        self.lock().retain(|key, payload| change(key, payload));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Vec<u8>>> {
        self.payloads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PayloadStore for InMemoryPayloads {
    async fn put(&self, key: &str, payload: &[u8]) -> Result<String, Fault> {
        self.lock().insert(key.to_owned(), payload.to_vec());
        Ok(format!("{}{key}", Self::SCHEME))
    }

    async fn get(&self, reference: &str, max_bytes: usize) -> Result<Option<Vec<u8>>, Fault> {
        let payloads = self.lock();
        let payload = reference.strip_prefix(Self::SCHEME).and_then(|key| payloads.get(key));
        let most = max_bytes.saturating_add(1);
        Ok(payload.map(|payload| payload[..payload.len().min(most)].to_vec()))
    }
}

impl fmt::Debug for InMemoryPayloads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InMemoryPayloads").field("payloads", &self.len()).finish_non_exhaustive()
    }
}

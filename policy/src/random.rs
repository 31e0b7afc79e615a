use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// Gives randomness. It decides how long is waited, and what ids are salted with, which nobody
/// outside is to guess: so outside of tests it is [`SystemRandom`].
pub trait Random: Send + Sync + 'static {
    /// A number from all of them, each as likely as any other.
    fn next_u64(&self) -> u64;
}

impl<R: Random + ?Sized> Random for Arc<R> {
    fn next_u64(&self) -> u64 {
        (**self).next_u64()
    }
}

/// The randomness of the operating system, drawn when it is needed.
///
/// A generator that was seeded when the function started would be restored in many sandboxes from
/// one snapshot, and all of them would wait equally long: what jitter is to prevent.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn next_u64(&self) -> u64 {
        // Without randomness, which Linux never lacks after boot, the wait is the longest one.
        getrandom::u64().unwrap_or(u64::MAX)
    }
}

/// Numbers that follow from a seed, for tests and simulations. Clones share one sequence.
///
/// The sequence is `SplitMix64`: <https://prng.di.unimi.it/splitmix64.c>.
#[derive(Clone, Debug)]
pub struct SeededRandom {
    state: Arc<AtomicU64>,
}

impl SeededRandom {
    /// The sequence of `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { state: Arc::new(AtomicU64::new(seed)) }
    }
}

impl Random for SeededRandom {
    fn next_u64(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut z = self.state.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests;

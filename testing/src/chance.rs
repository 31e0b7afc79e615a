use setpiece_policy::{Random as _, SeededRandom};

/// A probability, and the sequence by which it strikes.
#[derive(Debug)]
pub(crate) struct Chance {
    pub(crate) probability: f64,
    seed: u64,
    pub(crate) random: SeededRandom,
}

/// From the beginning of the sequence: a clone of what it belongs to is the same run again.
impl Clone for Chance {
    fn clone(&self) -> Self {
        Self { probability: self.probability, ..Self::seeded(self.seed) }
    }
}

impl Chance {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self { probability: 0.0, seed, random: SeededRandom::new(seed) }
    }

    #[track_caller]
    pub(crate) fn set(&mut self, probability: f64) {
        assert!((0.0..=1.0).contains(&probability), "{probability} is no probability");
        self.probability = probability;
    }

    pub(crate) fn strikes(&self) -> bool {
        unit(self.random.next_u64()) < self.probability
    }
}

/// A number from 0 up to but not including 1.
pub(crate) fn unit(random: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit in an `f64` without loss")]
    let bits = (random >> 11) as f64;
    bits / 9_007_199_254_740_992.0
}

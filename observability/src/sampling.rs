use setpiece_envelope::Correlation;

/// The share of flows that get detailed telemetry, decided once for each flow.
///
/// The decision follows from the correlation id alone, so all services of a flow that have the same
/// rate decide alike, in any language, also where one of them loses what another decided. What was
/// decided travels as [`Correlation::sampled`] and stands above the rates of later services.
///
/// # The hash
///
/// Over the UTF-8 bytes of the id, FNV-1a of 64 bits (offset `0xcbf29ce484222325`, prime
/// `0x100000001b3`), and of that the 64-bit finalizer of `MurmurHash3`: `h ^= h >> 33`,
/// `h *= 0xff51afd7ed558ccd`, `h ^= h >> 33`, `h *= 0xc4ceb9fe1a85ec53`, `h ^= h >> 33`, all modulo
/// 2⁶⁴. A flow is chosen when the upper 53 bits of the result, as a number from 0 to 2⁵³−1, are less
/// than the rate times 2⁵³.
///
/// | id | hash |
/// |---|---|
/// | (empty) | `0xefd01f60ba992926` |
/// | `a` | `0x82a2a958a9bece5b` |
/// | `01JD4QZ3V5X8Y2N7K9M4T6W1R0` | `0x5eee3d2dc04df4e6` |
/// | `größe` | `0x2eb895f56869eaa1` |
///
/// # Strangers
///
/// Whoever chooses an id can choose one that is sampled. Where an id came from the internet, decide
/// by one that did not, such as the request's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SampleRate(f64);

impl SampleRate {
    /// No flow.
    pub const NONE: Self = Self(0.0);
    /// Every flow.
    pub const ALL: Self = Self(1.0);

    /// The share `rate`, from 0 to 1, or `None` for another number.
    #[must_use]
    pub fn new(rate: f64) -> Option<Self> {
        (0.0..=1.0).contains(&rate).then_some(Self(rate))
    }

    /// The share, from 0 to 1.
    #[must_use]
    pub fn get(self) -> f64 {
        self.0
    }

    /// Tells if the flow with this id is one of those.
    #[must_use]
    pub fn includes(self, correlation_id: &str) -> bool {
        #[expect(clippy::cast_precision_loss, reason = "53 bits are exact in an f64")]
        let place = (hash(correlation_id) >> 11) as f64;
        place < self.0 * TWO_TO_53
    }

    /// Decides for a flow for which nobody has decided. A flow without an id is not chosen.
    #[must_use]
    pub fn decide(self, correlation: &Correlation) -> bool {
        correlation.sampled.unwrap_or_else(|| {
            correlation.correlation_id.as_ref().is_some_and(|id| self.includes(id.as_str()))
        })
    }
}

const TWO_TO_53: f64 = 9_007_199_254_740_992.0;

fn hash(id: &str) -> u64 {
    let fnv = id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mixed = (fnv ^ (fnv >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    mixed ^ (mixed >> 33)
}

#[cfg(test)]
mod tests {
    use setpiece_envelope::{Correlation, CorrelationId};

    use super::{SampleRate, hash};

    /// Computed in another language.
    const VECTORS: [(&str, u64); 4] = [
        ("", 0xefd0_1f60_ba99_2926),
        ("a", 0x82a2_a958_a9be_ce5b),
        ("01JD4QZ3V5X8Y2N7K9M4T6W1R0", 0x5eee_3d2d_c04d_f4e6),
        ("größe", 0x2eb8_95f5_6869_eaa1),
    ];

    #[test]
    fn the_hash_is_the_same_in_every_language() {
        for (id, expected) in VECTORS {
            assert_eq!(hash(id), expected, "{id}");
        }
    }

    #[test]
    fn the_share_is_kept() {
        for rate in [0.01, 0.1, 0.5] {
            let rate = SampleRate::new(rate).unwrap();
            let chosen = (0..100_000).filter(|n| rate.includes(&format!("order-{n}"))).count();
            #[expect(clippy::cast_precision_loss, reason = "small")]
            let share = chosen as f64 / 100_000.0;
            assert!((share / rate.get() - 1.0).abs() < 0.1, "{share} of {rate:?}");
        }
        assert!((0..1000).all(|n| SampleRate::ALL.includes(&n.to_string())));
        assert!(!(0..1000).any(|n| SampleRate::NONE.includes(&n.to_string())));
        for other in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert_eq!(SampleRate::new(other), None);
        }
    }

    #[test]
    fn a_decision_is_made_once() {
        let flow = Correlation::root().with_correlation_id(CorrelationId::parse("a").unwrap());
        assert!(SampleRate::ALL.decide(&flow));
        assert!(!SampleRate::ALL.decide(&flow.clone().with_sampled(false)));
        assert!(SampleRate::NONE.decide(&flow.with_sampled(true)));
        assert!(!SampleRate::ALL.decide(&Correlation::root()));
    }
}

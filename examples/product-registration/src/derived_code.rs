use setpiece_envelope::EventId;

/// A code that follows from an event, such as `SR-7K2M-Q4XD-90TB`.
///
/// The bus may deliver an event again at any time. What is derived from the event's id is then the
/// same again, so that no second code is handed out. Different prefixes give different codes for
/// one event.
///
/// Who knows the event's id can compute the code. Where a code is worth money, derive it with a
/// secret key.
pub(crate) fn derived_code(prefix: &str, event: &EventId) -> String {
    /// Crockford's alphabet: nothing in it is mistaken for something else on paper.
    const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let mut bits = mixed(prefix.bytes().chain([b' ']).chain(event.as_str().bytes()));
    let mut code = prefix.to_owned();
    for place in 0..12 {
        if place % 4 == 0 {
            code.push('-');
        }
        // The top five bits, an index into 32 characters.
        code.push(char::from(ALPHABET[(bits >> 59) as usize]));
        bits <<= 5;
    }
    code
}

/// FNV-1a, followed by the finalizer of `SplitMix64`, which carries every bit to every other:
/// ids that follow each other differ in their last characters only.
fn mixed(bytes: impl Iterator<Item = u8>) -> u64 {
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{EventId, derived_code};

    fn id(text: &str) -> EventId {
        EventId::parse(text).unwrap()
    }

    #[test]
    fn the_same_event_gives_the_same_code_in_every_release() {
        assert_eq!(derived_code("SR", &id("e-1")), "SR-FPSA-49AA-PCNY");
        assert_ne!(derived_code("SR", &id("e-1")), derived_code("MN", &id("e-1")));
    }

    #[test]
    fn neighbouring_events_have_codes_of_their_own() {
        let codes: HashSet<String> =
            (0..10_000).map(|n| derived_code("SR", &id(&format!("event-{n:020}")))).collect();
        assert_eq!(codes.len(), 10_000);
    }
}

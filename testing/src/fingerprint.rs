//! Ids that look random and are not: the same content always gets the same one.

/// FNV-1a with 128 bits, by the parameters of <http://www.isthe.com/chongo/tech/comp/fnv/>.
///
/// It keeps the ids of different contents apart. It keeps nobody out.
pub(crate) fn fingerprint(parts: &[&[u8]]) -> u128 {
    const OFFSET_BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    // No text holds a byte of 255, so `ab` + `c` is not `a` + `bc`.
    let bytes = parts.iter().flat_map(|part| part.iter().copied().chain([0xff]));
    bytes.fold(OFFSET_BASIS, |hash, byte| (hash ^ u128::from(byte)).wrapping_mul(PRIME))
}

/// `bits` in the form of a random UUID.
pub(crate) fn uuid(bits: u128) -> String {
    const VERSION_MASK: u128 = 0xf << 76;
    const VERSION_4: u128 = 0x4 << 76;
    const VARIANT_MASK: u128 = 0b11 << 62;
    const VARIANT: u128 = 0b10 << 62;
    let hex = format!("{:032x}", bits & !VERSION_MASK & !VARIANT_MASK | VERSION_4 | VARIANT);
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

#[cfg(test)]
mod tests {
    use super::{fingerprint, uuid};

    #[test]
    fn different_contents_have_different_fingerprints() {
        // FNV-1a of nothing is its offset basis.
        assert_eq!(fingerprint(&[]), 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d);
        assert_ne!(fingerprint(&[b"ab", b"c"]), fingerprint(&[b"a", b"bc"]));
    }

    #[test]
    fn uuids_have_the_version_and_variant_of_random_ones() {
        assert_eq!(uuid(0), "00000000-0000-4000-8000-000000000000");
        assert_eq!(uuid(u128::MAX), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }
}

use std::ops::Range;

/// Splits entries of these sizes into requests, in order, as few as there can be.
///
/// Each request takes what still fits, which no other way to split in order can do with fewer
/// requests: by induction, the n-th request of any other way ends no later than this one's. An
/// entry that alone is too large gets a request of its own.
pub(super) fn pack(
    sizes: impl IntoIterator<Item = usize>,
    max_entries: usize,
    max_bytes: usize,
) -> Vec<Range<usize>> {
    let mut requests = Vec::new();
    let (mut start, mut end, mut bytes) = (0, 0, 0_usize);
    for size in sizes {
        let total = bytes.saturating_add(size);
        if end > start && (end - start >= max_entries || total > max_bytes) {
            requests.push(start..end);
            (start, bytes) = (end, size);
        } else {
            bytes = total;
        }
        end += 1;
    }
    if end > start {
        requests.push(start..end);
    }
    requests
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::pack;

    /// The fewest requests, by trying all ends of the first one.
    fn optimum(sizes: &[usize], max_entries: usize, max_bytes: usize) -> usize {
        let fits = |entries: &usize| {
            *entries <= max_entries && sizes[..*entries].iter().sum::<usize>() <= max_bytes
        };
        match sizes.len() {
            0 => 0,
            all => {
                let rest = |entries: usize| optimum(&sizes[entries..], max_entries, max_bytes);
                (1..=all).filter(fits).map(|entries| 1 + rest(entries)).min().unwrap()
            }
        }
    }

    proptest! {
        #[test]
        fn no_split_in_order_needs_fewer_requests(
            sizes in vec(0_usize..=20, 0..12),
            max_entries in 1_usize..5,
            max_bytes in 20_usize..50,
        ) {
            let requests = pack(sizes.iter().copied(), max_entries, max_bytes);

            prop_assert_eq!(requests.len(), optimum(&sizes, max_entries, max_bytes));
            // All entries are there, once and in order, and each request is within the limits.
            let packed: Vec<usize> = requests.iter().cloned().flatten().collect();
            prop_assert_eq!(packed, (0..sizes.len()).collect::<Vec<_>>());
            for request in requests {
                prop_assert!((1..=max_entries).contains(&request.len()));
                prop_assert!(sizes[request].iter().sum::<usize>() <= max_bytes);
            }
        }
    }

    #[test]
    fn an_entry_that_is_too_large_keeps_nobody_from_going() {
        assert_eq!(pack([1, 99, 1, 1], 10, 10), [0..1, 1..2, 2..4]);
    }

    #[test]
    fn limits_are_met_exactly() {
        assert_eq!(pack([5, 5, 1], 10, 10), [0..2, 2..3]);
        assert_eq!(pack([1, 1, 1], 2, 10), [0..2, 2..3]);
        assert_eq!(pack([usize::MAX, usize::MAX], 2, usize::MAX - 1), [0..1, 1..2]);
    }
}

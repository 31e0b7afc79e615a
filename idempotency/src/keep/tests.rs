#[cfg(feature = "compress")]
#[test]
fn what_could_not_be_unpacked_is_not_compressed() {
    use crate::{Keep, record::Encoding};

    let keep = Keep::result().compressed();
    let packed = Encoding::JsonDeflate;
    for (size, encoding) in [(1 << 16, packed), (4 << 20, packed), ((4 << 20) + 1, Encoding::Json)]
    {
        let kept = keep.pack(vec![b'x'; size]);
        assert_eq!(kept.encoding, encoding, "{size}");
    }
}

/// Whoever may write to the table can put there what unpacks to a thousand times its size.
#[cfg(feature = "compress")]
#[test]
fn what_unpacks_to_too_much_is_refused_before_it_is_unpacked() {
    use super::{UnreadableWhy, decode};
    use crate::record::Encoding;

    for unit in [&b"[],"[..], b"   ", b"0,", b"{},"] {
        let mut json = b"[".to_vec();
        while json.len() + 10 < 64 << 20 {
            json.extend_from_slice(unit);
        }
        json.extend_from_slice(b"0]");
        let packed = miniz_oxide::deflate::compress_to_vec(&json, 6);
        assert!(packed.len() < 350 * 1024, "{} bytes fit on a record", packed.len());
        let mut found = None;
        let used = allocation_counter::measure(|| {
            found = Some(decode::<serde_json::Value>(&packed, Encoding::JsonDeflate).map(drop));
        });
        assert_eq!(found, Some(Err(UnreadableWhy::TooLarge)));
        assert!(used.bytes_max < 16 << 20, "{} bytes at the same time", used.bytes_max);
    }
    let cut = decode::<i32>(&[0x00, 0xff], Encoding::JsonDeflate);
    assert_eq!(cut, Err(UnreadableWhy::Corrupt));
}

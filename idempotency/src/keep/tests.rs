#[cfg(feature = "compress")]
#[test]
fn what_could_not_be_unpacked_is_not_compressed() {
    use crate::{Keep, record::Encoding};

    let keep = Keep::result().compressed();
    for (size, encoding) in [(1 << 16, Encoding::JsonDeflate), ((64 << 20) + 1, Encoding::Json)] {
        let kept = keep.pack(vec![b'x'; size]);
        assert_eq!(kept.encoding, encoding, "{size}");
    }
}

//! The code in the README is code of the quickstart, which is built and tested.

use std::{fs, path::Path};

#[test]
fn the_code_of_the_readme_is_that_of_the_quickstart() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let read = |file: &str| fs::read_to_string(root.join(file)).unwrap();
    let sources =
        ["lib.rs", "main.rs"].map(|file| read(&format!("examples/quickstart/src/{file}")));
    let readme = read("README.md");
    let blocks: Vec<_> =
        readme.split("```rust\n").skip(1).map(|rest| rest.split_once("```").unwrap().0).collect();
    assert_eq!(blocks.len(), 3);
    for block in blocks {
        assert!(
            sources.iter().any(|source| source.contains(block)),
            "not in the quickstart:\n{block}"
        );
    }
}

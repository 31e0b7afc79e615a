//! What the compiler says of mistakes. Accept new messages with `TRYBUILD=overwrite`, and read them.

#[test]
fn mistakes_are_explained_where_they_are() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*.rs");
    cases.pass("tests/ui/pass/*.rs");
}

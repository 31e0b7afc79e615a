use super::{Random, SeededRandom, SystemRandom};

#[test]
fn a_seed_gives_the_published_sequence() {
    // The first numbers of the reference implementation for the seed 1234567.
    let random = SeededRandom::new(1_234_567);
    let drawn = [(); 3].map(|()| random.next_u64());
    assert_eq!(
        drawn,
        [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
    );
}

#[test]
fn clones_share_one_sequence() {
    let one = SeededRandom::new(7);
    let other = one.clone();
    let reference = SeededRandom::new(7);
    assert_eq!(one.next_u64(), reference.next_u64());
    assert_eq!(other.next_u64(), reference.next_u64());
}

#[test]
fn the_operating_system_does_not_repeat_itself() {
    assert_ne!(SystemRandom.next_u64(), SystemRandom.next_u64());
}

#!/usr/bin/env bash
# Runs the checks that take too long for each change: mutations, long histories, ten thousand worlds,
# benchmarks, long fuzzing, SAM's own validation, and advisories. Takes about two hours on two cores.
#
#   scripts/full-check.sh                      all stages
#   scripts/full-check.sh worlds benchmarks    only these
set -euo pipefail
cd "$(dirname "$0")/.."
export CARGO_TERM_COLOR=never

# Removes one safety after the other; each removal has to be noticed.
mutations() {
    scripts/without-safety.sh
}

histories() {
    SETPIECE_HISTORIES=2500 cargo test -p setpiece-idempotency --test it -- guard_says_what_the_model_says
}

# The second command of "Bad days" in the README, on both stores.
worlds() {
    local -a bad_days=(--duplicates 30% --crashes 10% --throttle 5% --lost 2% --reorder)
    cargo run --profile bench -p product-registration -- --seeds 0..10000 "${bad_days[@]}"
    cargo run --profile bench -p product-registration -- --store memory --seeds 0..10000 "${bad_days[@]}"
}

# Prints ratios against a baseline of the same run; those with a bound fail beyond it.
benchmarks() {
    cargo bench -p setpiece-envelope
    cargo bench -p setpiece-bus
    cargo bench -p setpiece-idempotency --all-features
    cargo bench -p setpiece-handler --bench sources
    cargo bench -p product-registration -- full
}

fuzz() {
    FUZZ_RUNS=20000000 .ci/run fuzz
}

template() {
    scripts/check-template.sh --sam
}

# Needs the RustSec advisory database, which cargo-deny clones from its git repository. No package of
# a registry carries it, so this stage is a step of the maintainers before a release.
advisories() {
    cargo deny check advisories
}

stages=("$@")
if ((${#stages[@]} == 0)); then
    stages=(mutations histories worlds benchmarks fuzz template)
fi
for stage in "${stages[@]}"; do
    started=$SECONDS
    printf '\n== %s\n' "$stage"
    "$stage"
    printf '== %s: %d s\n' "$stage" $((SECONDS - started))
done

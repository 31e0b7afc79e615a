#!/usr/bin/env bash
# Packs every crate that would be published, and builds the packed sources against each other, as
# crates.io would have them. Publishes nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo package --workspace --exclude cold-start --exclude product-registration --exclude quickstart \
    --exclude setpiece-fuzz "$@"

#!/usr/bin/env bash
# Writes the seeds of every target to fuzz/corpus/<target>/, from what the repository holds and from folders of evidence of one's
# own: fuzz/seeds.sh [FOLDER...]
set -euo pipefail
cd "$(dirname "$0")/.."
folders=$(for folder in "$@"; do realpath "$folder"; done | paste -sd:)
COINCIDENT_WRITE_SEEDS=$PWD/fuzz/corpus ${folders:+env COINCIDENT_MORE_SEEDS="$folders"} \
    cargo test --locked --quiet --test regressions seeds_hold
for target in fuzz/corpus/*/; do
    # What was put there by an earlier run of the fuzzer stays.
    echo "$(basename "$target") $(find "$target" -type f | wc -l)"
done

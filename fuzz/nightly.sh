#!/usr/bin/env bash
# Runs every target for so many seconds, prints a line for each, and fails if an input crashed, hung or grew too large:
#     fuzz/nightly.sh [SECONDS_PER_TARGET [TARGET...]]
# Without an argument a minute each. FUZZ_MEMORY_MB (1024) bounds the memory of a target, FUZZ_HANG_S (1) the time of an input on
# a machine of usual speed: a slow one is measured first, and the bound grows with it. FUZZ_TIMEOUT_S (ten times that) ends
# an input by the clock on the wall: give more where other work takes the processor. FUZZ_BUILT=1 runs what was built before.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
shift || true
memory=${FUZZ_MEMORY_MB:-1024}
export TMPDIR=${FUZZ_TMPDIR:-$([ -w /dev/shm ] && echo /dev/shm || echo /tmp)}
folder=${CARGO_TARGET_DIR:-fuzz/target}/release
cp -n Cargo.lock fuzz/Cargo.lock
[ -n "${FUZZ_BUILT:-}" ] || RUSTC_WRAPPER=$PWD/fuzz/instrument.sh CARGO_TARGET_DIR=$(dirname "$folder") \
    cargo build --quiet --release --manifest-path fuzz/Cargo.toml --bins
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
    for source in fuzz/fuzz_targets/*.rs; do targets+=("$(basename "$source" .rs)"); done
fi
# What this many hashes take on a machine of usual speed, in milliseconds: the unit of "slow".
began=$(date +%s%N)
head -c 300000000 /dev/zero | sha256sum >/dev/null
unit=$((($(date +%s%N) - began) / 1000000 / 1000 + 1))
hang=$((${FUZZ_HANG_S:-1} * unit))
failed=0
printf '%-14s %10s %7s %8s %7s %8s %8s %8s  %s\n' target runs exec/s edges features corpus rss_mb slowest crash
for target in "${targets[@]}"; do
    found=fuzz/artifacts/$target
    mkdir -p "$found" "fuzz/corpus/$target"
    log=$found/log
    dictionary=fuzz/dict/$target.dict
    before=$(ls -I log "$found")
    "$folder/$target" "fuzz/corpus/$target" -max_total_time="$seconds" -max_len=65536 -timeout="${FUZZ_TIMEOUT_S:-$((hang * 10))}" \
        -report_slow_units="$hang" -rss_limit_mb="$memory" -malloc_limit_mb="$memory" -artifact_prefix="$found/" \
        -print_final_stats=1 $([ -f "$dictionary" ] && echo "-dict=$dictionary") >"$log" 2>&1 && outcome=0 || outcome=$?
    value() { sed -n "s/^stat::$1: *//p" "$log" | tail -1; }
    last=$(grep -E '^#[0-9]+' "$log" | tail -1)
    part() { sed -n "s/.* $1: \([0-9]*\).*/\1/p" <<<"$last"; }
    corpus=$(sed -n 's/.* corp: \([0-9]*\).*/\1/p' <<<"$last")
    # Also those that were slow and came to an end, unless it was the machine that was busy: alone and in seconds of the processor
    # they are not.
    crash=
    for kept in $(comm -13 <(echo "$before") <(ls -I log "$found")); do
        if [[ $kept == slow-unit-* ]]; then
            used=$({ TIMEFORMAT=%U; time "$folder/$target" "$found/$kept" >/dev/null 2>&1; } 2>&1 || true)
            [ "${used%.*}" -ge "$hang" ] || { rm "$found/$kept" && continue; }
        fi
        crash+="$found/$kept "
    done
    [ "$outcome" -eq 0 ] && [ -z "$crash" ] || failed=1
    printf '%-14s %10s %7s %8s %7s %8s %8s %7ss  %s\n' "$target" "$(value number_of_executed_units)" \
        "$(value average_exec_per_sec)" "$(part cov)" "$(part ft)" "$corpus" "$(value peak_rss_mb)" \
        "$(value slowest_unit_time_sec)" "${crash:--}"
done
exit "$failed"

#!/usr/bin/env bash
# The compiler, with the counters of libFuzzer in the program's own crates alone (RUSTC_WRAPPER). The crates that it stands on
# come as they are released: with counters in them a build takes an hour and finds its way into them instead of into the readers.
compiler=$1
shift
case " $* " in
    *" --crate-name build_script_"*) ;;
    *" --crate-name coincident "* | *" --crate-name coincident_fuzz "* | *"/fuzz_targets/"* | *" fuzz_targets/"*)
        counters=(-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4
            -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table
            -Cllvm-args=-sanitizer-coverage-trace-compares -Cllvm-args=-simplifycfg-branch-fold-threshold=0)
        exec "$compiler" "$@" "${counters[@]}" ;;
esac
exec "$compiler" "$@"

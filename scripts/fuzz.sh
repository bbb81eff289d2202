#!/usr/bin/env bash
# fuzz.sh SECONDS TARGET...: gives each target inputs for so long, and stops at the first one that breaks a promise.
# What is found besides goes to fuzz/found; fuzz/corpus is what is kept (see CONTRIBUTING.md).
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/require.sh

# The version of cargo-fuzz that is known to work; another one that is there is taken as it is.
readonly CARGO_FUZZ=0.13.1

seconds=$1
shift
require_compilers
if ! cargo fuzz --version >/dev/null 2>&1; then
    echo "Installing cargo-fuzz ..."
    cargo install --locked "cargo-fuzz@$CARGO_FUZZ" || stop "cargo-fuzz cannot be installed."
fi

# Sanitizers need what only a nightly compiler offers, or a stable one that is told to.
export RUSTC_BOOTSTRAP=1
# The same dependencies as the product's.
cp Cargo.lock fuzz/Cargo.lock
# Uploads are written through to the disk, which need not be one.
[ ! -w /dev/shm ] || export TMPDIR=/dev/shm
cargo fuzz build --fuzz-dir fuzz

for target in "$@"; do
    echo "Fuzzing $target for $seconds s ..."
    mkdir -p "fuzz/found/$target"
    # What is read in pieces is more than one of them.
    case $target in
    multipart | archive) longest=262144 ;;
    *) longest=4096 ;;
    esac
    # An input takes 10 s and 1 GB at most, far more than any should.
    cargo fuzz run --fuzz-dir fuzz "$target" "fuzz/found/$target" "fuzz/corpus/$target" -- \
        -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -malloc_limit_mb=1024 -max_len="$longest" \
        -use_value_profile=1 -print_final_stats=1 ||
        stop "fuzzing $target found an input that breaks a promise: the newest in fuzz/artifacts/$target. Try it again with
    RUSTC_BOOTSTRAP=1 cargo fuzz run --fuzz-dir fuzz $target fuzz/artifacts/$target/NAME
and once it is mended keep it in fuzz/corpus/$target."
done
echo "No target broke a promise."

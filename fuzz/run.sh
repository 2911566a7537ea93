#!/bin/sh
# Builds every fuzz target and runs each for a while, as many at a time as there are processors:
# fuzz/run.sh [seconds] [target...]
# Exits with 1 if any target has a finding, whose input is then under fuzz/target/found/<target>/.
set -eu
cd "$(dirname "$0")"

# Runs one target; xargs calls this script again with it.
run() {
    seconds=$1 target=$2
    mkdir -p "target/grown/$target" "target/found/$target"
    log="target/found/$target.log"
    # What the run learns goes to the first folder; the committed seeds are only read.
    if cargo run --quiet --release --bin "$target" -- \
        -max_total_time="$seconds" -timeout=5 -rss_limit_mb=1024 -verbosity=1 \
        -artifact_prefix="target/found/$target/" \
        "target/grown/$target" "corpus/$target" >"$log" 2>&1
    then
        echo "fuzz $target: $(grep '^Done' "$log")"
    else
        tail -n 60 "$log"
        echo "fuzz $target: failed, input under fuzz/target/found/$target/"
        exit 1
    fi
}

if [ "${1:-}" = --run ]; then
    run "$2" "$3"
    exit
fi
seconds=${1:-5}
[ $# -gt 0 ] && shift
[ $# -gt 0 ] || set -- websocket http1 engineio socketio plain json markup
cargo build --release --bins
printf '%s\n' "$@" | xargs -n 1 -P "$(nproc)" sh ./run.sh --run "$seconds" || exit 1

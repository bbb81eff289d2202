#!/usr/bin/env bash
# make run: build, turn pictures into models, show them on the page.
#   scripts/run.sh PHOTO SERVE LISTEN
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/require.sh
photo=$1 serve=$2 listen=$3

require_compilers
if [ -n "$photo" ] && [ ! -e "$photo" ]; then
    stop "there is no picture $photo: pass PHOTO=path/to/photo.jpg, or leave it out for samples/."
fi
# Asked before the build, which takes minutes, rather than after it.
if [ "$serve" != 0 ] && ! [[ $listen =~ ^.+:[0-9]+$ ]]; then
    stop "LISTEN is $listen; it must be an address and a port, such as LISTEN=127.0.0.1:8081."
fi
host=${listen%:*} && host=${host#[} && host=${host%]}
if [ "$serve" != 0 ] && (exec 3<>"/dev/tcp/$host/${listen##*:}") 2>/dev/null; then
    stop "$listen is taken: stop the other program, or choose another place by make run LISTEN=127.0.0.1:8081."
fi
if node_is_usable; then
    make --no-print-directory web
else
    echo "Node.js 20.19 or later with npm is not here: the page will be a plain form until you install it and run again."
fi

echo "Building image2model (a few minutes the first time) ..."
cargo build --release --package image2model
binary=${CARGO_TARGET_DIR:-target}/release/image2model
"$binary" convert "${photo:-samples}" -o out/ --preview
echo "The models are in out/, each with a picture beside it: open a .glb in Blender, Windows or macOS, or drop it on a web viewer."
if [ "$serve" = 0 ]; then
    exit 0
fi
exec "$binary" serve --listen "$listen"

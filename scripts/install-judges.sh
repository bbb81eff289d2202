#!/bin/sh
# Installs what judges our files from outside: the Khronos glTF validator (npm) and trimesh (Python).
# Quick when everything is there already: each is done again only when its list of versions changes.
set -eu
cd "$(dirname "$0")/.."

need() {
    command -v "$1" >/dev/null 2>&1 || { echo "$1 is missing: $2" >&2; exit 1; }
}
need node "install Node.js 20 or newer"
need npm "it comes with Node.js"
need python3 "install Python 3.11 or newer"

node_stamp=tests/judges/node_modules/.installed
if ! cmp -s tests/judges/package-lock.json "$node_stamp"; then
    npm ci --prefix tests/judges --no-audit --no-fund --loglevel=error
    cp tests/judges/package-lock.json "$node_stamp"
fi

venv=.cache/venv
if ! cmp -s tests/judges/requirements.txt "$venv/.installed"; then
    mkdir -p .cache
    python3 -m venv --clear "$venv" ||
        { echo "Python cannot make a virtual environment: install python3-venv" >&2; exit 1; }
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r tests/judges/requirements.txt
    cp tests/judges/requirements.txt "$venv/.installed"
fi

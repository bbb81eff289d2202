#!/usr/bin/env bash
# Installs what judges our files from outside: the Khronos glTF validator (npm) and trimesh (Python).
# Quick when everything is there already: each is done again only when its list of versions changes.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/require.sh

require_node "the judges of models"
node_stamp=tests/judges/node_modules/.installed
if ! cmp -s tests/judges/package-lock.json "$node_stamp"; then
    npm ci --prefix tests/judges --no-audit --no-fund --loglevel=error
    cp tests/judges/package-lock.json "$node_stamp"
fi

venv=.cache/venv
if ! cmp -s tests/judges/requirements.txt "$venv/.installed"; then
    require_python
    mkdir -p .cache
    python3 -m venv --clear "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r tests/judges/requirements.txt
    cp tests/judges/requirements.txt "$venv/.installed"
fi

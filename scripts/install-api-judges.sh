#!/usr/bin/env bash
# Installs what judges the API's description, in a Python environment of its own. Quick when it is there already: it is
# made again only when a list of versions changes.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/require.sh

venv=.cache/api-venv
wanted=$(cat tests/api/requirements.txt tests/api/constraints.txt)
if [ "$wanted" != "$(cat "$venv/.installed" 2>/dev/null)" ]; then
    require_python
    mkdir -p .cache
    python3 -m venv --clear "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r tests/api/requirements.txt -c tests/api/constraints.txt
    printf '%s\n' "$wanted" >"$venv/.installed"
fi

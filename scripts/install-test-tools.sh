#!/usr/bin/env bash
# Installs what the tests need: Debian's Chromium and Redis, the model judges and the page's browser driver. Quick when all is there.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/require.sh

require_compilers
require python3 "Install Python 3.11 or later with venv (Debian: apt-get install python3 python3-venv) and try again."
node_is_usable || { echo "image2model: the tests need Node.js 20 or later with npm. Install it and try again." >&2; exit 1; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

if ! command -v chromium >/dev/null 2>&1; then
    require apt-get "Install Chromium with its command on the PATH as chromium, and try again."
    echo "Installing Chromium for the browser tests ..."
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null
fi
if ! command -v redis-server >/dev/null 2>&1; then
    require apt-get "Install Redis 7 with its command on the PATH as redis-server, and try again."
    echo "Installing Redis for the tests of the store ..."
    as_root apt-get update -qq
    # The tests start their own: the package's service is neither started now nor at the next boot.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        trap 'as_root rm -f "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
        as_root chmod +x "$policy"
    fi
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends redis-server >/dev/null
    if command -v systemctl >/dev/null 2>&1; then as_root systemctl disable --quiet redis-server || true; fi
fi
scripts/fetch-corpus.sh
(
    cd tests/browser
    if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
        npm ci --no-audit --no-fund --loglevel=error
        touch node_modules/.package-lock.json
    fi
)

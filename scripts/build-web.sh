#!/usr/bin/env bash
# Builds the page into web/dist, unless nothing changed since the last time.
set -euo pipefail
cd "$(dirname "$0")/../web"
. ../scripts/require.sh
require_node "the page"

if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
    npm ci --no-audit --no-fund --loglevel=error
    touch node_modules/.package-lock.json
fi
if [ ! -e dist/index.html ] || [ -n "$(find src public index.html ./*.ts ./*.js package-lock.json -newer dist/index.html 2>/dev/null | head -n 1)" ]; then
    npm run --silent build
fi

#!/usr/bin/env bash
# Installs what the tests need: parts of Rust, Debian's Chromium, Redis and nginx, the judges of models and of the
# API's description, hostile pictures, and the page's browser driver.
# Quick when all is there.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/require.sh

# Asked first: what only the person can bring.
require_compilers
require_node "the tests"
require_python
require_component clippy
require_component rustfmt

command -v chromium >/dev/null 2>&1 || install_packages "Chromium" chromium fonts-dejavu-core
command -v redis-server >/dev/null 2>&1 || without_services install_packages "Redis" redis-server redis-tools
# Debian keeps it where only root looks for commands.
PATH=$PATH:/usr/sbin command -v nginx >/dev/null 2>&1 || without_services install_packages "nginx" nginx-light
command -v openssl >/dev/null 2>&1 || install_packages "OpenSSL" openssl
scripts/fetch-corpus.sh
scripts/fetch-hostile.sh
scripts/install-api-judges.sh
(
    cd tests/browser
    if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
        npm ci --no-audit --no-fund --loglevel=error
        touch node_modules/.package-lock.json
    fi
)

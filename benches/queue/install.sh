#!/usr/bin/env bash
# Installs the queues that ours is measured against: Celery (Python, in .cache/queue-bench) and BullMQ (npm).
# Quick when everything is there already: each is done again only when its list of versions changes.
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/require.sh

here=benches/queue
require_node "BullMQ, which the queue is measured against"
if ! cmp -s $here/package-lock.json $here/node_modules/.installed; then
    npm ci --prefix $here --no-audit --no-fund --loglevel=error
    cp $here/package-lock.json $here/node_modules/.installed
fi

venv=.cache/queue-bench
if ! cat $here/requirements.txt $here/constraints.txt | cmp -s - $venv/.installed; then
    require_python
    mkdir -p .cache
    python3 -m venv --clear $venv
    $venv/bin/python -m pip install --quiet --disable-pip-version-check -r $here/requirements.txt -c $here/constraints.txt
    cat $here/requirements.txt $here/constraints.txt >$venv/.installed
fi

#!/usr/bin/env bash
# Lays the pictures that models are judged on into .cache/corpus: photographs out of two Python packages, and
# samples/. Quick when they are there already; made again when what it is made of has changed.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/install-judges.sh
python=.cache/venv/bin/python

made_of=$(cat tests/judges/corpus.txt tests/judges/extract_corpus.py && find samples -type f -exec cksum {} + 2>/dev/null | sort) || true
stamp=.cache/corpus.made-of
if [ -d .cache/corpus ] && [ "$made_of" = "$(cat "$stamp" 2>/dev/null)" ]; then
    exit 0
fi

wheels=.cache/wheels
if ! cmp -s tests/judges/corpus.txt "$wheels/.fetched"; then
    rm -rf "$wheels"
    # One platform's wheels for everyone, so that everyone has the same pictures.
    "$python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --require-hashes \
        --python-version 3.12 --platform manylinux_2_28_x86_64 --dest "$wheels" -r tests/judges/corpus.txt
    cp tests/judges/corpus.txt "$wheels/.fetched"
fi
"$python" tests/judges/extract_corpus.py "$wheels" samples .cache/corpus
printf '%s\n' "$made_of" >"$stamp"

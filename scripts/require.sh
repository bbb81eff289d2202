#!/usr/bin/env bash
# Sourced by the other scripts: one sentence for what is missing, then the end.

# require COMMAND "what to do": ends with that sentence when the command is not there.
require() {
    command -v "$1" >/dev/null 2>&1 && return
    echo "image2model: $1 is missing. $2" >&2
    exit 1
}

require_compilers() {
    require cargo "Install Rust 1.95 or later from https://rustup.rs and try again."
    require cc "Install a C and C++ compiler (Debian: apt-get install build-essential) and try again."
    require c++ "Install a C++ compiler (Debian: apt-get install build-essential) and try again."
}

# node_is_usable: whether the page can be built here.
node_is_usable() {
    command -v npm >/dev/null 2>&1 && [ "$(node -p 'process.versions.node.split(".")[0]' 2>/dev/null || echo 0)" -ge 20 ]
}

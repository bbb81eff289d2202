#!/usr/bin/env bash
# Sourced by the other scripts: what is missing is installed where that can be done, and else named in one sentence.

# stop "sentence": the end.
stop() {
    echo "image2model: $1" >&2
    exit 1
}

# require COMMAND "what to do": ends with that when the command is not there.
require() {
    command -v "$1" >/dev/null 2>&1 || stop "$1 is missing: $2"
}

require_rust() {
    local how="install Rust 1.95 or later from https://rustup.rs and try again."
    require cargo "$how"
    local found
    found=$(cargo --version 2>/dev/null | cut -d' ' -f2) || true
    [ "$(printf '%s\n' 1.95 "$found" | sort -V | head -n 1)" = 1.95 ] || stop "cargo ${found:-(without a toolchain)} is no Rust 1.95: $how"
}

require_compilers() {
    require_rust
    require cc "install a C and C++ compiler (Debian: apt-get install build-essential) and try again."
    require c++ "install a C++ compiler (Debian: apt-get install build-essential) and try again."
}

# require_component clippy|rustfmt: brings a part of Rust that a minimal toolchain lacks.
require_component() {
    local command=${1/rustfmt/fmt}
    cargo "$command" --version >/dev/null 2>&1 && return
    if command -v rustup >/dev/null 2>&1; then
        echo "Adding $1 to the Rust toolchain ..."
        rustup component add "$1" && cargo "$command" --version >/dev/null 2>&1 && return
    fi
    stop "cargo $command is missing and rustup cannot add it: install $1 for your Rust, or Rust from https://rustup.rs, and try again."
}

# node_is_usable: whether the page can be built here (web/package.json says what it needs).
node_is_usable() {
    command -v npm >/dev/null 2>&1 && node -e '
        const [major, minor] = process.versions.node.split(".").map(Number);
        process.exit((major === 20 && minor >= 19) || (major === 22 && minor >= 12) || major > 22 ? 0 : 1);
    ' >/dev/null 2>&1
}

# require_node "who needs it"
require_node() {
    node_is_usable || stop "Node.js is missing or too old for $1: install Node.js 20.19 or later with npm and try again."
}

# require_python: one that can make a virtual environment.
require_python() {
    local how="install Python 3.11 or later with venv (Debian: apt-get install python3 python3-venv) and try again."
    require python3 "$how"
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || stop "python3 is too old: $how"
    # Debian keeps the half of venv that brings pip in a package of its own.
    python3 -c 'import venv, ensurepip' 2>/dev/null && return
    install_packages "Python's venv" python3-venv
    python3 -c 'import venv, ensurepip' 2>/dev/null || stop "python3 cannot make a virtual environment: $how"
}

# install_packages WHAT PACKAGE...: Debian's packages, by root or sudo.
install_packages() {
    local what=$1 root=()
    shift
    local how="install $* as root, or what they are called on your system, and try again."
    command -v apt-get >/dev/null 2>&1 || stop "$what is missing, and there is no apt-get to install it: $how"
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null 2>&1 || stop "$what is missing, and there is no sudo to install it: $how"
        root=(sudo)
    fi
    echo "Installing $what ..."
    "${root[@]}" apt-get update -qq || true
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null ||
        stop "$what could not be installed: $how"
}

# without_services COMMAND...: what it installs starts no service, now or at the next boot: the tests start their own.
without_services() {
    local policy=/usr/sbin/policy-rc.d root=()
    [ "$(id -u)" = 0 ] || root=(sudo)
    if [ -e "$policy" ]; then
        "$@"
        return
    fi
    printf '#!/bin/sh\nexit 101\n' | "${root[@]}" install -m 755 /dev/stdin "$policy"
    # In a shell of its own, which may end in the middle.
    local ended=0
    ("$@") || ended=$?
    "${root[@]}" rm -f "$policy"
    [ "$ended" = 0 ] || exit "$ended"
    if command -v systemctl >/dev/null 2>&1; then
        "${root[@]}" systemctl disable --quiet "${@: -1}" 2>/dev/null || true
    fi
}

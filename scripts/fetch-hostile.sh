#!/usr/bin/env bash
# Lays pictures that decoders are tested with into .cache/hostile: those of the source packages of four libraries, of
# the Debian that this machine runs. Quick when they are there already; else some 80 MB and a quarter of a minute.
# Without apt-get, lay the packages' .orig.tar files into .cache/hostile-sources first.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/require.sh

packages=(gdk-pixbuf libpng1.6 pillow vips)
sources=.cache/hostile-sources
pictures=.cache/hostile

stamp=.cache/hostile.made-of
made_of=$(cat scripts/fetch-hostile.sh)
if [ -d "$pictures" ] && [ "$made_of" = "$(cat "$stamp" 2>/dev/null)" ]; then
    exit 0
fi

# archive_of PACKAGE: its archive, if it is there.
archive_of() {
    compgen -G "$sources/$1_*.orig.tar.*z*" | head -n 1
}

# fetch_archives: by an apt of our own, so that the machine's stays without sources and nobody needs to be root.
fetch_archives() {
    require apt-get "lay the .orig.tar files of Debian's ${packages[*]} into $sources and try again."
    local apt=$PWD/.cache/hostile-apt list
    rm -rf "$apt" "$sources.new"
    mkdir -p "$apt/parts" "$apt/lists/partial" "$apt/cache/archives/partial" "$sources.new"
    # Where the machine's packages come from, their sources come from.
    for list in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
        [ ! -f "$list" ] || sed -nE 's/^deb(-src)?[[:space:]]/deb-src /p' "$list" >>"$apt/parts/lines.list"
    done
    for list in /etc/apt/sources.list.d/*.sources; do
        [ ! -f "$list" ] || sed -E 's/^Types:.*/Types: deb-src/' "$list" >"$apt/parts/${list##*/}"
    done
    local own=(-qq -o "Dir::Etc::sourcelist=/dev/null" -o "Dir::Etc::sourceparts=$apt/parts" -o "Dir::State::lists=$apt/lists"
        -o "Dir::Cache=$apt/cache" -o "APT::Sandbox::User=root")
    echo "Fetching hostile pictures ..."
    # One source that is away does not matter where the others have what is needed.
    apt-get "${own[@]}" update || true
    # What is broken off lies under the name of the whole, so all of them are moved when they are there.
    (cd "$sources.new" && apt-get "${own[@]}" source --download-only --tar-only "${packages[@]}" >/dev/null) ||
        stop "the sources of ${packages[*]} could not be fetched: lay their .orig.tar files into $sources and try again."
    rm -rf "$apt" "$sources"
    mv "$sources.new" "$sources"
}

# unpack PACKAGE PATTERN...: the files that the patterns name, below a folder of the package's name.
unpack() {
    local package=$1
    shift
    mkdir -p "$fresh/$package"
    tar -xf "$(archive_of "$package")" -C "$fresh/$package" --strip-components=1 --wildcards --no-same-owner "$@"
}

for package in "${packages[@]}"; do
    if [ -z "$(archive_of "$package")" ]; then
        fetch_archives
        break
    fi
done
command -v xz >/dev/null 2>&1 || install_packages "xz" xz-utils

# Built aside and moved, so that they are whole or absent.
fresh=.cache/hostile.new
rm -rf "$fresh"
unpack gdk-pixbuf '*/tests/*'
unpack libpng1.6 '*.png' '*.jpg' '*/contrib/testpngs/*'
unpack pillow '*/Tests/images/*'
unpack vips '*/test/test-suite/images/*' '*/fuzz/common_fuzzer_corpus/*'
# What is read by people lies between them.
find "$fresh" ! -type d \( ! -type f -o -name '*.c' -o -name '*.h' -o -name '*.in' -o -name '*.build' -o -name '*.sh' -o -name '*.py' \
    -o -name '*.md' -o -name '*.txt' -o -name '*.html' -o -name '*.xml' -o -name '*.conf' -o -name '*.notes' -o -name '*.reproducing' \
    -o -name tests -o -name '.*' \) -delete
find "$fresh" -type d -empty -delete
rm -rf "$pictures"
mv "$fresh" "$pictures"
printf '%s\n' "$made_of" >"$stamp"

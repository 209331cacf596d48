#!/bin/sh
# Installs what lint and the tests use of npm into the folder that is named, and Node itself where that is missing and can be had.
set -eu

folder=$1
list=$(dirname "$0")/node/package.json
has() { command -v "$1" >/dev/null 2>&1; }

if ! { has node && has npm; } && [ "$(id -u)" = 0 ] && has apt-get; then
    echo "Installing nodejs and npm ..."
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends nodejs npm >/dev/null || true
fi
if ! { has node && has npm; }; then
    echo "The types of web/ are checked with Node and npm, which are missing here." >&2
    echo "Install them with your package manager, on Debian: sudo apt-get install nodejs npm" >&2
    exit 1
fi

echo "Installing what lint and tests use of npm into $folder (once, some seconds) ..."
mkdir -p "$folder"
cp "$list" "$folder/package.json"
npm install --prefix "$folder" --no-package-lock --no-audit --no-fund --ignore-scripts --loglevel=error >/dev/null
touch "$folder/.installed"

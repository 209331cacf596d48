#!/bin/sh
# The tests look at the pages with real browsers. Installs Chromium and Firefox where that is possible, says what is missing where not.
set -eu

missing=""
command -v chromium >/dev/null 2>&1 || command -v chromium-browser >/dev/null 2>&1 || missing="$missing chromium"
command -v firefox-esr >/dev/null 2>&1 || command -v firefox >/dev/null 2>&1 || missing="$missing firefox-esr"
[ -z "$missing" ] && exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "Installing for the tests:$missing"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    # shellcheck disable=SC2086  # one package a word
    apt-get install -y -qq --no-install-recommends $missing >/dev/null
    exit 0
fi

echo "The tests need these browsers:$missing" >&2
echo "Install them with your package manager, on Debian: sudo apt-get install$missing" >&2
exit 1

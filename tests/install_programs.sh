#!/bin/sh
# Programs that the tests use beside Python. Installs them where that is possible, says what is missing where not.
set -eu

has() { command -v "$1" >/dev/null 2>&1; }

browsers=""
has chromium || has chromium-browser || browsers="$browsers chromium"
has firefox-esr || has firefox || browsers="$browsers firefox-esr"
# Tests that need these are skipped where they are missing.
others=""
has turnserver || others="$others coturn"
has promtool || others="$others prometheus"
# Reactions are emoji; without a font for them screenshots show boxes.
! has fc-list || fc-list | grep -qi emoji || others="$others fonts-noto-color-emoji"
[ -z "$browsers$others" ] && exit 0

if [ "$(id -u)" = 0 ] && has apt-get; then
    echo "Installing for the tests:$browsers$others"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    # shellcheck disable=SC2086  # one package a word
    [ -z "$browsers" ] || apt-get install -y -qq --no-install-recommends $browsers >/dev/null
    # shellcheck disable=SC2086
    apt-get install -y -qq --no-install-recommends $others >/dev/null ||
        echo "Tests are skipped for want of some of these packages:$others" >&2
    # Debian starts services that it installs; the tests start a TURN server of their own, on loopback, and use promtool.
    for service in $others; do
        ! has systemctl || systemctl disable --quiet --now "$service" || true
    done
    exit 0
fi

[ -z "$others" ] || echo "Tests are skipped for want of these packages:$others" >&2
[ -z "$browsers" ] && exit 0
echo "The tests need these browsers:$browsers" >&2
echo "Install them with your package manager, on Debian: sudo apt-get install$browsers" >&2
exit 1

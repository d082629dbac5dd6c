#!/usr/bin/env bash
# What the tests use beside Python: a C compiler (the scripted GPU driver), Chromium (the
# pages), a registry on loopback (publishing), rsync (results in other storage).
# As root on Debian or Ubuntu they are installed; else their tests are skipped with a reason.
set -euo pipefail
missing=()
command -v cc >/dev/null || missing+=(gcc libc6-dev)
command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || missing+=(chromium)
command -v rsync >/dev/null || missing+=(rsync)
command -v docker-registry >/dev/null || missing+=(docker-registry)
[[ ${#missing[@]} == 0 ]] && exit 0
if [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
else
    printf 'tests: not here: %s; tests that need them are skipped\n' "${missing[*]}" >&2
fi

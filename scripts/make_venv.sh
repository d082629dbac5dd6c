#!/usr/bin/env bash
# Makes a virtual environment of a Python >= 3.11. Usage: PYTHON=python3 scripts/make_venv.sh FOLDER
set -euo pipefail
folder=${1:?usage: make_venv.sh FOLDER}
python=${PYTHON:-python3}

die() { printf 'environment: %s\n  -> %s\n' "$1" "$2" >&2; exit 2; }

command -v "$python" >/dev/null || die "no $python here" "install Python 3.11 or newer, or say make PYTHON=/path/to/python"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    die "$("$python" --version) is too old" "Python 3.11 or newer is needed: make PYTHON=/path/to/python"
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null ||
        die "$python cannot make virtual environments" "install python3-venv"
    apt-get update -qq && apt-get install -y -qq python3-venv >/dev/null
fi
"$python" -m venv "$folder"

#!/bin/sh
# Puts the project and everything that requirements.lock pins into a virtual environment, and says how far it is.
# Usage: install.sh DIRECTORY. PYTHON names the interpreter.
set -eu

venv=$1
python=${PYTHON:-python3}
log=$venv/install.log

fail() {
    printf '\n%s\n' "$@" >&2
    exit 1
}

command -v "$python" >/dev/null || fail "install: there is no $python. On Debian: sudo apt install python3 python3-venv python3-dev"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "install: $("$python" --version) is too old: Python 3.11 or later is needed (PYTHON=/path/to/python3.11 make install)"
"$python" -c 'import venv, ensurepip' 2>/dev/null ||
    fail "install: Python cannot make virtual environments. On Debian: sudo apt install python3-venv"

# What compiling QuickFIX wants. Not a failure yet: pip may have it compiled from an earlier time.
missing=''
command -v "${CXX:-c++}" >/dev/null || missing="$missing g++"
"$python" -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(os.path.join(sysconfig.get_paths()["include"], "Python.h")))' ||
    missing="$missing python3-dev"

[ -x "$venv/bin/pip" ] || "$python" -m venv "$venv"
: >"$log"

started=$(date +%s)
elapsed() {
    seconds=$(($(date +%s) - started))
    printf '%d:%02d' $((seconds / 60)) $((seconds % 60))
}

# Runs a command with its output in the log, and shows every second how long it has run, and what it does.
attended() {
    "$@" >>"$log" 2>&1 &
    work=$!
    trap 'kill "$work" 2>/dev/null; exit 130' INT TERM
    waited=0
    while kill -0 "$work" 2>/dev/null; do
        doing=$(tail -n 1 "$log" | cut -c1-60)
        if [ -t 1 ]; then
            printf '\r  %s  %-60s' "$(elapsed)" "$doing"
        elif [ $((waited % 15)) -eq 14 ]; then
            printf '  %s  %s\n' "$(elapsed)" "$doing"
        fi
        waited=$((waited + 1))
        sleep 1
    done
    [ ! -t 1 ] || printf '\r%70s\r' ''
    trap - INT TERM
    wait "$work"
}

echo "Installing into $venv. QuickFIX comes as C++ source: compiling it takes four to five minutes, once."
pip="$venv/bin/pip install --disable-pip-version-check --progress-bar off"
# shellcheck disable=SC2086 # $pip is a command and its arguments
if ! attended $pip -r requirements.lock || ! attended $pip --no-deps --editable .; then
    tail -n 25 "$log" >&2
    [ -z "$missing" ] || fail "install: QuickFIX could not be compiled. On Debian: sudo apt install$missing"
    fail "install: it failed; all of the output is in $log"
fi
echo "Installed in $(elapsed)."

#!/bin/sh
# Makes the environments of the engines that tests and demos run on, and installs PostgreSQL where it may.
# usage: engines.sh PYTHON, PYTHON being the one that made .venv
set -eu
python=$1
home=.venv-engines
emulator=$home/bigquery
analyzer=$home/analyzer

find_313() {
    for candidate in python3.13 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.13*/bin/python3.13 /usr/local/bin/python3.13 /usr/bin/python3.13 \
        /opt/python3.13/bin/python3.13 /opt/homebrew/bin/python3.13 "$HOME"/.local/share/uv/python/*3.13*/bin/python3.13; do
        if command -v "$candidate" >/dev/null 2>&1 && "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info[:2] != (3, 13))' >/dev/null 2>&1; then
            echo "$candidate"
            return
        fi
    done
}

install() { # ENVIRONMENT PYTHON REQUIREMENTS
    if [ -f "$1/installed" ] && cmp -s "$3" "$1/installed"; then return; fi
    rm -rf "$1"
    echo "Making $1 from $3"
    "$2" -m venv "$1"
    sh "$(dirname "$0")/install.sh" "$1" "$3"
}

find_postgres() {
    PATH="$PATH:$(find /usr/lib/postgresql -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n 1)" command -v initdb
}

mkdir -p "$home"
if ! find_postgres >/dev/null; then
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        echo "PostgreSQL is not there. Install it (Debian, Ubuntu: apt-get install postgresql), then run this again." >&2
        exit 1
    fi
    echo "Installing PostgreSQL"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq postgresql >/dev/null
fi

python313=$(find_313)
if [ -z "$python313" ]; then
    echo "No Python 3.13 found, which the BigQuery emulator needs. Install one (pyenv install 3.13), then run this again." >&2
    exit 1
fi
install "$emulator" "$python313" requirements-engines.txt
# the emulator's DuckDB looks for its extensions under HOME and would download them
"$emulator/bin/python" - "$home/home" <<'PYTHON'
import importlib, pathlib, shutil, sys

import duckdb

platform = duckdb.sql("PRAGMA platform").fetchone()[0]
target = pathlib.Path(sys.argv[1], ".duckdb", "extensions", f"v{duckdb.__version__}", platform)
target.mkdir(parents=True, exist_ok=True)
for name in ("icu", "ducklake", "spatial"):
    folder = pathlib.Path(importlib.import_module(f"duckdb_extension_{name}").__file__).parent
    for file in folder.rglob("*.duckdb_extension"):
        shutil.copy(file, target)
PYTHON
cp requirements-engines.txt "$emulator/installed"
install "$analyzer" "$python" requirements-analyzer.txt
cp requirements-analyzer.txt "$analyzer/installed"
echo "Engines are ready: $(find_postgres), $emulator, $analyzer"

#!/bin/sh
# Makes .venv where it is missing and installs one locked requirements file into it.
# usage: venv.sh PYTHON REQUIREMENTS
set -eu
python=$1
requirements=$2

if [ -x .venv/bin/python ]; then
    if [ "$python" != python3 ]; then
        echo "Using the .venv that is there: $(.venv/bin/python --version). \`make clean\` lets PYTHON=$python make another."
    fi
else
    command -v "$python" >/dev/null 2>&1 || {
        echo "No '$python' found. Install Python 3.11 or newer, or name it: make PYTHON=/path/to/python3.11" >&2
        exit 1
    }
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
        echo "'$python' is $("$python" --version 2>&1); Python 3.11 or newer is needed: make PYTHON=python3.11" >&2
        exit 1
    }
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    for module in venv ensurepip; do
        "$python" -c "import $module" >/dev/null 2>&1 || {
            echo "Python's $module module is missing. Install the package python$version-venv (Debian, Ubuntu: apt-get install python$version-venv)." >&2
            exit 1
        }
    done
    echo "Making .venv with $("$python" --version)"
    "$python" -m venv .venv || { rm -rf .venv; exit 1; }
fi
echo "Installing $requirements"
.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r "$requirements"

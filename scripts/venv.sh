#!/bin/sh
# Makes an environment where it is missing and installs one locked requirements file into it.
# usage: venv.sh PYTHON ENVIRONMENT REQUIREMENTS
set -eu
python=$1
environment=$2
requirements=$3

if [ -x "$environment/bin/python" ]; then
    if [ "$python" != python3 ]; then
        echo "Using the $environment that is there: $("$environment/bin/python" --version). \`make clean\` lets PYTHON=$python make another."
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
    echo "Making $environment with $("$python" --version)"
    "$python" -m venv "$environment" || { rm -rf "$environment"; exit 1; }
fi
echo "Installing $requirements"
sh "$(dirname "$0")/install.sh" "$environment" "$requirements"

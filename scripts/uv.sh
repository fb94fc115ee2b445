#!/bin/sh
# Has pip put the locked uv into .venv-uv, where it serves every environment and is part of none, and prints where it is.
# usage: uv.sh PYTHON, PYTHON being one that has pip
set -eu
python=$1
root=$(cd "$(dirname "$0")/.." && pwd)
lock=$root/requirements-uv.txt
home=$root/.venv-uv
fresh=$home.$$

fetch() { # without building it: where no wheel of uv fits, pip is quicker than a Rust compiler
    "$python" -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --only-binary :all: --target "$fresh" -r "$lock" &&
        "$fresh/bin/uv" --version
}

if ! cmp -s "$lock" "$home/installed"; then
    trap 'rm -rf "$fresh"' EXIT
    said=$(fetch 2>&1) || {
        printf '%s\n' "$said" >&2
        exit 1
    }
    cp "$lock" "$fresh/installed"
    rm -rf "$home"
    mv "$fresh" "$home"
fi
echo "$home/bin/uv"

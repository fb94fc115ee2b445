#!/bin/sh
# Resolves every requirements*.in anew, by the locked uv, into a file that pins each package by its hashes; uv's own among them.
# usage: lock.sh PYTHON, PYTHON being one that has pip
set -eu
uv=$(sh "$(dirname "$0")/uv.sh" "$1")

for wanted in requirements*.in; do
    case $wanted in
        requirements-engines.in) version=3.13 ;; # what local-bigquery needs
        *) version=3.11 ;;
    esac
    echo "Locking ${wanted%.in}.txt"
    "$uv" pip compile --quiet --upgrade --universal --python-version "$version" --generate-hashes --no-emit-index-url --no-annotate \
        --custom-compile-command "make lock" "$wanted" -o "${wanted%.in}.txt"
done

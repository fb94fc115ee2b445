#!/bin/sh
# What the container runs: serve | worker | setup | any other command of the command line.
# Every way ends in exec, so that SIGTERM reaches Python and not a shell in front of it.
set -eu
command=${1:-serve}
if [ "$#" -gt 0 ]; then shift; fi
case "$command" in
    serve | worker) exec python -m src.cli.main "$command" --host 0.0.0.0 --port "${PORT:-8080}" "$@" ;;
    setup) exec python setup_bigquery_datasets.py "$@" ;;
    *) exec python -m src.cli.main "$command" "$@" ;;
esac

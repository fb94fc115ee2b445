#!/bin/sh
# Installs locked requirements files into an environment: the one place that installs.
# usage: install.sh ENVIRONMENT REQUIREMENTS...
# uv does it, and pip where uv cannot. Neither resolves: a resolver takes releases newer than the lock, which have no hash.
set -eu
scripts=$(dirname "$0")
environment=$1
python=$environment/bin/python
unfinished=$environment/unfinished # an installer takes a package that it had half laid down for one that is there
shift
for file in "$@"; do
    set -- "$@" -r "$file"
    shift
done

pip_runs() { # one half laid down does not begin, one much older than its Python ends at the first package it meets
    "$python" -m pip list >/dev/null 2>&1
}

if ! pip_runs; then
    echo "pip does not run in $environment: the one that comes with $("$python" --version 2>&1) takes its place" >&2
    "$python" -m ensurepip --upgrade --default-pip >/dev/null 2>&1 || true
    pip_runs || {
        echo "$environment has no pip that runs. Remove it, then run this again." >&2
        exit 1
    }
fi
settings=$("$python" -m pip config list)

told() { # what pip is told of this option: by the environment, which stands first, or by a file
    printf '%s\n' "$settings" | sed -n "s/^[a-z:]*\.$1='\(.*\)'$/\1/p" | head -n 1
}

uv_may_look() { # uv reads nothing of pip's, and must not ask an index that pip is kept from
    if env | grep -Eq '^UV_(CONFIG_FILE|DEFAULT_INDEX|INDEX|INDEX_URL|OFFLINE)=.'; then return; fi
    if [ -f /etc/uv/uv.toml ] || [ -f "${XDG_CONFIG_HOME:-${HOME-}/.config}/uv/uv.toml" ]; then return; fi
    case $(told no-index) in 1 | [TtYy]* | [Oo][Nn]) return 1 ;; esac
    index=$(told index-url)
    if [ -n "$index" ]; then export UV_DEFAULT_INDEX="$index"; fi
}

export UV_COMPILE_BYTECODE="${UV_COMPILE_BYTECODE:-1}" # as pip does: where PYTHONDONTWRITEBYTECODE is set, each start would do it anew
install_by_uv() {
    said=
    if ! uv_may_look; then
        why="pip is told to ask no index"
    elif ! said=$(sh "$scripts/uv.sh" "$python" 2>&1); then
        why="uv is not to be had"
    else
        uv=$said
        said=$("$uv" pip install --quiet --python "$python" --require-hashes --no-deps ${reinstall:+--reinstall} "$@" 2>&1) && return
        why="uv failed"
    fi
    uv=
    said=$(printf '%s\n' "$said" | grep -v '^WARNING:' | head -n 1)
    echo "pip installs in the place of uv, which takes longer: $why${said:+: $said}" >&2
    return 1
}

install_by_pip() {
    "$python" -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps ${reinstall:+--force-reinstall} "$@"
}

reinstall=
if [ -e "$unfinished" ]; then reinstall=1; fi
: >"$unfinished"
install_by_uv "$@" || install_by_pip "$@" || {
    echo "$environment is not installed yet; the lines above say why. Mend that, then run this again: nothing needs to be removed." >&2
    echo "Without the package index: UV_OFFLINE=1 takes what uv has kept, PIP_NO_INDEX=1 PIP_FIND_LINKS=FOLDER a folder of wheels." >&2
    exit 1
}
rm "$unfinished"

if [ -n "$uv" ]; then set -- "$uv" pip check --quiet --python "$python"; else set -- "$python" -m pip check; fi
found=$("$@" 2>&1) || {
    printf '%s\n' "$found" >&2
    echo "$environment holds packages that do not go together, left from an older lock or put there by hand. Remove it, then run this again." >&2
    exit 1
}

"""Moves modules and rewrites what names them: imports, dotted names and paths, in every file that git knows.

    python scripts/move_modules.py moves.txt      # lines of: src/core/engine/quality_sql.py src/core/engine/quality_sql.py

What is imported as a module keeps the name that its user calls it by. Nothing else changes, so git follows each file.
Run `ruff check --fix` and `ruff format` afterwards: imports are sorted anew.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from itertools import groupby
from pathlib import Path

WORD = r"(?![A-Za-z0-9_])"


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout


def dotted(path: str) -> str:
    return ".".join(Path(path).with_suffix("").parts).removesuffix(".__init__")


def move(moves: Mapping[str, str]) -> None:
    for old, new in moves.items():
        folder = Path(new).parent
        folder.mkdir(parents=True, exist_ok=True)
        for package in (folder, *folder.parents):
            if package.parts and not (package / "__init__.py").exists():
                (package / "__init__.py").touch()
                git("add", str(package / "__init__.py"))
        git("mv", old, new)


def rewritten(text: str, moves: Mapping[str, str], *, python: bool) -> str:
    modules = {dotted(old): dotted(new) for old, new in moves.items()}
    # at once, so that what was put in place of one name is never taken for another
    places = {old: new for names in (modules, moves) for old, new in names.items()}
    named = "|".join(re.escape(name) for name in sorted(places, key=len, reverse=True))
    text = re.sub(rf"(?<![A-Za-z0-9_.])({named}){WORD}", lambda found: places[found[1]], text)
    return with_modules_imported_anew(text, modules) if python else text


def with_modules_imported_anew(text: str, modules: Mapping[str, str]) -> str:
    """`from package import module` names the module in two words, which no search for the whole would find."""
    lines = text.split("\n")
    for node in sorted(froms(text), key=lambda one: -one.lineno):
        moved = [name for name in node.names if f"{node.module}.{name.name}" in modules]
        if not moved:
            continue
        indent = " " * node.col_offset
        kept = ", ".join(ast.unparse(name) for name in node.names if name not in moved)
        statements = [f"{indent}from {node.module} import {kept}"] if kept else []
        for name in moved:
            package, _, own = modules[f"{node.module}.{name.name}"].rpartition(".")
            alias = name.asname or name.name
            statements.append(f"{indent}from {package} import {own}" + (f" as {alias}" if alias != own else ""))
        lines[node.lineno - 1 : node.end_lineno] = statements
    return "\n".join(lines)


def froms(text: str) -> Iterable[ast.ImportFrom]:
    return (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom) and node.module)


def read_moves(path: Path) -> dict[str, str]:
    pairs = [line.split() for line in path.read_text().splitlines() if line.strip() and not line.startswith("#")]
    doubled = [new for new, times in groupby(sorted(new for _, new in pairs)) if len(list(times)) > 1]
    if doubled:
        raise SystemExit(f"two modules would become {doubled[0]}")
    return {old: new for old, new in pairs if old != new}


def main() -> None:
    _, *given = sys.argv
    if len(given) != 1:
        raise SystemExit(__doc__)
    moves = read_moves(Path(given[0]))
    move(moves)
    for name in git("ls-files").splitlines():
        path = Path(name)
        try:
            text = path.read_text()
        except (UnicodeDecodeError, FileNotFoundError):
            continue
        changed = rewritten(text, moves, python=path.suffix == ".py")
        if changed != text:
            path.write_text(changed)


if __name__ == "__main__":
    main()

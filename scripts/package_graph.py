"""Prints the tree in figures: modules and the imports between them, the rooms of each folder, and class names that stand twice.

    python scripts/package_graph.py [CHECKOUT] [--rooms src/core/engine] [--names]

A room of a folder is a module in it or a folder in it with all that lies below; an arrow leads from a room to one that it imports.
Floors are the rooms on the longest way along arrows. Arrows between rooms that lead back to each other go upwards, whichever is on top.
"""

import argparse
import ast
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

Graph = dict[str, set[str]]
MANY = 12  # a folder with fewer rooms is seen at a glance


def modules_of(checkout: Path) -> dict[str, ast.Module]:
    trees = {}
    for path in sorted((checkout / "src").rglob("*.py")):
        tree = ast.parse(path.read_text())
        if tree.body:
            trees[".".join(path.relative_to(checkout).with_suffix("").parts).removesuffix(".__init__")] = tree
    return trees


def imported_by(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            # `from a import b` names the module a.b or what stands in a: both are offered, only modules are taken
            yield from (f"{node.module}.{name.name}" for name in node.names)
            yield node.module


def imports(trees: dict[str, ast.Module]) -> Graph:
    return {name: {other for other in imported_by(tree) if other in trees and other != name} for name, tree in trees.items()}


def rooms_of(folder: str, graph: Graph) -> Graph:
    def room(module: str) -> str:
        return ".".join(module.split(".")[: folder.count(".") + 2])

    rooms: Graph = defaultdict(set)
    for module, others in graph.items():
        if module.startswith(f"{folder}."):
            rooms[room(module)] |= {room(other) for other in others if other.startswith(f"{folder}.")} - {room(module)}
    return dict(rooms)


def circles(graph: Graph) -> dict[str, int]:
    """The number of the circle that each room is in; a room that is in none has one of its own."""
    reach = {room: reached(room, graph) for room in graph}
    numbers: dict[str, int] = {}
    for number, room in enumerate(graph):
        numbers.setdefault(room, number)
        for other in reach[room]:
            if room in reach[other]:
                numbers.setdefault(other, numbers[room])
    return numbers


def reached(start: str, graph: Graph) -> set[str]:
    seen: set[str] = set()
    ahead = [start]
    while ahead:
        for other in graph[ahead.pop()] - seen:
            seen.add(other)
            ahead.append(other)
    return seen


def upwards(graph: Graph) -> int:
    circle = circles(graph)
    return sum(circle[room] == circle[other] for room, others in graph.items() for other in others)


def longest_way(graph: Graph) -> int:
    circle = circles(graph)
    below: dict[int, set[int]] = {number: set() for number in circle.values()}
    for room, others in graph.items():
        below[circle[room]] |= {circle[other] for other in others} - {circle[room]}
    size = Counter(circle.values())
    floors: dict[int, int] = {}

    def floor(number: int) -> int:
        if number not in floors:
            floors[number] = size[number] + max((floor(other) for other in below[number]), default=0)
        return floors[number]

    return max((floor(number) for number in below), default=0)


def line(name: str, graph: Graph) -> str:
    return f"{name:<44}{len(graph):>6}{sum(map(len, graph.values())):>8}{longest_way(graph):>8}{upwards(graph):>10}"


def folders(graph: Graph) -> list[str]:
    return sorted({module.rpartition(".")[0] for module in graph} - {"", "src"} | {"src", "src.core", "src.app"})


def class_names(trees: dict[str, ast.Module]) -> dict[str, list[str]]:
    names = defaultdict(list)
    for module, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                names[node.name].append(module)
    return names


def rooms_report(folder: str, graph: Graph) -> Iterator[str]:
    rooms = rooms_of(folder, graph)
    for room in sorted(rooms, key=lambda one: (-len(reached(one, rooms)), one)):
        yield f"  {room.removeprefix(folder + '.'):<32}-> {', '.join(sorted(other.removeprefix(folder + '.') for other in rooms[room]))}"


def report(trees: dict[str, ast.Module], rooms: str, names: bool) -> Iterator[str]:
    graph = imports(trees)
    yield f"{'':<44}{'rooms':>6}{'arrows':>8}{'floors':>8}{'upwards':>10}"
    yield line("all modules of src", graph)
    for folder in folders(graph):
        inside = rooms_of(folder, graph)
        if len(inside) >= MANY or folder == rooms or folder in ("src", "src.core"):
            yield line(folder.replace(".", "/"), inside)
    yield from rooms_report(rooms, graph) if rooms else ()
    standing = class_names(trees)
    twice = {name: where for name, where in standing.items() if len(where) > 1}
    yield f"class names {len(standing)}, standing more than once {len(twice)}"
    if names:
        yield from (f"  {name}: {', '.join(where)}" for name, where in sorted(twice.items()))


def main(arguments: Iterable[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", nargs="?", default=Path(__file__).resolve().parents[1], type=Path)
    parser.add_argument("--rooms", default="", help="lists the rooms of this folder and whom each imports")
    parser.add_argument("--names", action="store_true", help="lists class names that stand more than once")
    given = parser.parse_args(None if arguments is None else list(arguments))
    for text in report(modules_of(given.checkout), given.rooms.strip("/").replace("/", "."), given.names):
        print(text)


if __name__ == "__main__":
    main()

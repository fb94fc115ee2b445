"""Which step waits for which."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Graph:
    """`depends_on` of every node; it names only nodes that are there, and has no cycle."""

    depends_on: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, edges: Mapping[str, Iterable[str]]) -> "Graph":
        return cls({node: tuple(dict.fromkeys(needed)) for node, needed in edges.items()})

    @cached_property
    def dependents(self) -> Mapping[str, tuple[str, ...]]:
        after: dict[str, list[str]] = {node: [] for node in self.depends_on}
        for node, needed in self.depends_on.items():
            for earlier in needed:
                after[earlier].append(node)
        return {node: tuple(later) for node, later in after.items()}

    @cached_property
    def ancestors(self) -> Mapping[str, frozenset[str]]:
        above: dict[str, frozenset[str]] = {}
        for node in self.order:
            needed = self.depends_on[node]
            above[node] = frozenset(needed).union(*(above[earlier] for earlier in needed))
        return above

    @cached_property
    def order(self) -> tuple[str, ...]:
        """Every node after all it depends on, otherwise as written. Nodes of a cycle, and those behind one, are left out."""
        waiting = {node: len(needed) for node, needed in self.depends_on.items()}
        free = [node for node, count in waiting.items() if not count]
        placed = 0
        while placed < len(free):
            for later in self.dependents[free[placed]]:
                waiting[later] -= 1
                if not waiting[later]:
                    free.append(later)
            placed += 1
        return tuple(free)

    def cycle(self) -> tuple[str, ...]:
        """One cycle, each node before the one it waits for, the first repeated at the end; empty when there is none."""
        stuck = set(self.depends_on) - set(self.order)
        if not stuck:
            return ()
        # every stuck node waits for another stuck one, so walking up must come back to where it was
        path: list[str] = []
        # as written: a set of texts has another order in every process, and the message would name another cycle
        node = next(name for name in self.depends_on if name in stuck)
        while node not in path:
            path.append(node)
            node = next(earlier for earlier in self.depends_on[node] if earlier in stuck)
        return (*path[path.index(node) :], node)


async def walk(graph: Graph, visit: Callable[[str], Awaitable[None]]) -> None:
    """Visits every node once, as soon as all it depends on have been visited; nodes free of each other side by side."""
    waiting = {node: len(needed) for node, needed in graph.depends_on.items()}

    # an exception in one node has to stop the others, which a gather would leave running
    async with asyncio.TaskGroup() as group:

        async def follow(node: str) -> None:
            await visit(node)
            for later in graph.dependents[node]:
                waiting[later] -= 1
                if not waiting[later]:
                    group.create_task(follow(later))

        for node, count in list(waiting.items()):
            if not count:
                group.create_task(follow(node))

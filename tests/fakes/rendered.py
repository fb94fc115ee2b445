"""GoogleSQL as one process of a test run has rendered it, for its services that come later: each would render the same fifty texts anew."""

import json
from collections.abc import Hashable
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

from src.core.engine.dialect import rendering
from src.core.engine.dialect.rendering import Catalogue, Rendered, RenderedStatements
from src.core.engine.dialect.statements import Purpose


class SharedStatements(RenderedStatements):
    """Kept by the text and by the columns of the relations that it names, as one process keeps them for itself."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def get(self, sql: str, purpose: Purpose, catalogue: Catalogue) -> Rendered | None:
        held = super().get(sql, purpose, catalogue)
        if held is None and (names := self._read(sql, purpose)) is not None:
            found = self._read(sql, purpose, catalogue.shapes_of(names["names"]))
            if found is not None:
                held = Rendered(found["sql"], tuple(found["parameters"]), tuple(found["names"]), found["changed"], found["appends"])
                super().put(sql, purpose, catalogue, held)
        return held

    def put(self, sql: str, purpose: Purpose, catalogue: Catalogue, rendered: Rendered) -> None:
        super().put(sql, purpose, catalogue, rendered)
        self._write({"names": rendered.names}, sql, purpose)
        self._write(asdict(rendered), sql, purpose, catalogue.shapes_of(rendered.names))

    def _read(self, *key: Hashable) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = json.loads(self._file(key).read_bytes())
        except FileNotFoundError:
            return None
        return found

    def _write(self, told: dict[str, Any], *key: Hashable) -> None:
        draft = self._folder / uuid4().hex
        draft.write_text(json.dumps(told))
        draft.replace(self._file(key))

    def _file(self, key: tuple[Hashable, ...]) -> Path:
        return self._folder / sha256(repr(key).encode()).hexdigest()


def share(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    setattr(rendering, "RENDERED", SharedStatements(folder))  # noqa: B010 - for everybody else it is final

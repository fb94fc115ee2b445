"""What the OpenAPI document says in words and examples: written in `described`, for code says neither well."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import yaml

FOLDER: Final = Path(__file__).with_name("described")


@dataclass(frozen=True, slots=True)
class OperationWords:
    says: str
    problems: Sequence[str] = ()
    """Codes, beyond those that every call of its kind may meet."""
    request: Any = None
    answers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Examples, by status and media type."""


@dataclass(frozen=True, slots=True)
class ApiWords:
    fields: Mapping[str, str]
    tags: Mapping[str, str]
    problems: Mapping[str, str]
    operations: Mapping[str, OperationWords]

    @classmethod
    def read(cls) -> Self:
        operations: dict[str, OperationWords] = {}
        for path in sorted(FOLDER.glob("operations/*.yml")):
            examples = json.loads((FOLDER / "examples" / f"{path.stem}.json").read_text(encoding="utf-8"))
            operations |= {name: OperationWords(**said, **examples.get(name, {})) for name, said in _yaml(path).items()}
        return cls(_yaml(FOLDER / "fields.yml"), _yaml(FOLDER / "tags.yml"), _yaml(FOLDER / "problems.yml"), operations)


def _yaml(path: Path) -> dict[str, Any]:
    read: dict[str, Any] = yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader)
    return read

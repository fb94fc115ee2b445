"""The parameters of a query: a route takes those it declares, each once."""

from collections import Counter
from typing import Final

from fastapi import Request
from fastapi.dependencies.models import Dependant

from src.app.process.redaction import redacted_text
from src.core.base.faults import Flaw, Rejected
from src.core.base.names import did_you_mean
from src.core.base.wording import unknown

SHOWN: Final = 60
# groups may be named one by one as well as in a comma list
REPEATED: Final = "group_by"


def parameters_of(dependant: Dependant) -> tuple[str, ...]:
    """Of a route and of all that it depends on, in the order that they are declared."""
    own = [parameter.alias for parameter in dependant.query_params]
    return tuple(dict.fromkeys([*own, *(name for beneath in dependant.dependencies for name in parameters_of(beneath))]))


def check_parameters(request: Request, known: tuple[str, ...]) -> None:
    """A filter that is misspelt, or named twice, would be left out unnoticed and the answer be of more than was asked for."""
    given = Counter(name for name, _ in request.query_params.multi_items())
    for name, times in given.items():
        # redacted before it is cut: half a key no longer looks like one
        shown = redacted_text(name)[:SHOWN]
        if name not in known:
            there = f"; there is {', '.join(known)}" if known else "; this call takes none"
            raise Rejected(
                f"there is no parameter {shown!r} here{did_you_mean(name, known) or there}", flaws=[Flaw(unknown(name, known), shown)]
            )
        if times > 1 and name != REPEATED:
            raise Rejected(f"{name} is given twice; give it once", flaws=[Flaw("stands twice", name)])

from collections import Counter

from fastapi import Request

from src.core.base.faults import Flaw, Rejected
from src.core.base.names import did_you_mean


def check_parameters(request: Request, *known: str) -> None:
    """A filter that is misspelt, or named twice, would be left out unnoticed and the answer be of more than was asked for."""
    given = Counter(name for name, _ in request.query_params.multi_items())
    for name, times in given.items():
        if name not in known:
            raise Rejected(
                f"there is no parameter {name[:60]!r} here{did_you_mean(name, known)}", flaws=[Flaw("is not known here", name[:60])]
            )
        # groups may be named one by one as well as in a comma list
        if times > 1 and name != "group_by":
            raise Rejected(f"{name} is given twice; give it once", flaws=[Flaw("stands twice", name)])

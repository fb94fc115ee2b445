"""The BigQuery emulator's own program, which its Python runs: of two jobs of one id it takes one, as BigQuery does.

The emulator looks whether an id is taken and only then keeps it, so of requests that come together it takes several, and one job's
answer then tells of another.
"""

import threading
from functools import wraps

from local_bigquery.cli import main  # type: ignore[import-not-found]  # it lives in the emulator's own environment
from local_bigquery.jobs import runner  # type: ignore[import-not-found]

_one_at_a_time = threading.Lock()
_submit = runner.submit


@wraps(_submit)
def submit(*given: object, **named: object) -> object:
    with _one_at_a_time:
        return _submit(*given, **named)


runner.submit = submit

if __name__ == "__main__":
    main()

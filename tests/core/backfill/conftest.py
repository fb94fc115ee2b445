from tests.core.scheduler.conftest import work

__all__ = ["work"]

from src.core.providers.packages import NothingOfThisName  # type: ignore[attr-defined]  # noqa: F401 - what this is for

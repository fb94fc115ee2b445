from tests.fakes.processors.sample.scripted import NotThere  # type: ignore[attr-defined]  # it is there to fail


def get_engine() -> object:
    return NotThere

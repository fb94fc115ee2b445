from tests.fakes.processors.sample.scripted import Scripted


def get_engine() -> Scripted:
    return Scripted()

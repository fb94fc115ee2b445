from tests.fakes.processors.sample.scripted import Scripted


class Modelless(Scripted):
    config_model = dict  # type: ignore[assignment]  # it is there to be refused


def get_engine() -> Modelless:
    return Modelless()

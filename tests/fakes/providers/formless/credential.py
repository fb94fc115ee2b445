KINDS = "a key"


class Connection:
    pass


def probe() -> None: ...

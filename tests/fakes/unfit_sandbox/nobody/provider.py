class Somebody:
    """Not called as its folder is."""

"""Credentials that the sandbox lays for whoever runs the demo: made once, kept for their owner alone; the first to make one wins."""

from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

OWNER_ONLY_FOLDER, OWNER_ONLY_FILE = 0o700, 0o600


def laid_once(file: Path, made: Callable[[], str]) -> str:
    """What is in the file, made when there is none yet."""
    if not file.exists():
        file.parent.mkdir(mode=OWNER_ONLY_FOLDER, parents=True, exist_ok=True)
        draft = file.with_name(f"{uuid4().hex}.draft")
        draft.touch(mode=OWNER_ONLY_FILE)
        try:
            draft.write_text(made())
            # a link fails where the name is taken; a rename would put this one in the place of one that is in use
            file.hardlink_to(draft)
        except FileExistsError:
            # another process was quicker; its credential is the one
            pass
        finally:
            draft.unlink()
    return file.read_text()

"""What obstore raises, in words and by what the caller does next.

Its own text is never passed on: it quotes addresses, which may hold a signature.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from obstore.exceptions import BaseError, InvalidPathError, PermissionDeniedError, PreconditionError, UnauthenticatedError

from src.core.base.faults import CredentialRefused, Fault, Misconfigured, Missing, Rejected, StepFailed, Throttled, Unavailable
from src.core.objects.place import FolderPlace, Place, S3Place
from src.core.objects.port import ObjectChanged

STATUS = re.compile(r"non-2xx status code: ([0-9]{3})")
CODE = re.compile(r"<Code>([A-Za-z0-9.]{1,60})</Code>")
# AWS says of keys that they are wrong with 400 too
KEYS_REFUSED = frozenset({"ExpiredToken", "InvalidToken", "InvalidAccessKeyId", "TokenRefreshRequired", "AuthorizationHeaderMalformed"})
NO_PLACE = frozenset({"NoSuchBucket", "ContainerNotFound"})
SLOW_DOWN = frozenset({"SlowDown", "RequestLimitExceeded", "Throttling", "ServerBusy"})
IN_TROUBLE = (408, 500, 502, 503, 504)


class Refused:
    """Keeps the fault of whoever gives the keys: obstore calls it, and passes on no more than its text."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self.of_keys: Fault | None = None

    @contextmanager
    def told(self, asked: str) -> Iterator[None]:
        self.of_keys = None
        try:
            yield
        except FileNotFoundError as wrong:
            raise self._missing(asked, _code(wrong)) from None
        except (BaseError, ValueError, OSError) as wrong:
            raise self._fault(wrong, asked) from None

    def _fault(self, wrong: Exception, asked: str) -> Fault:
        if self.of_keys is not None:
            return self.of_keys
        if isinstance(wrong, PreconditionError):
            return ObjectChanged(f"{asked} was changed while it was read; nothing of it was kept, begin anew")
        if isinstance(wrong, InvalidPathError | ValueError):
            return Rejected(
                f"{self._place.address} holds a name beside or instead of {asked} that is not read: one with two slashes in a row, with "
                "steps like .. or with signs that cannot be printed; name a prefix that has none"
            )
        if isinstance(self._place, FolderPlace):
            return Misconfigured(f"{asked} in OBJECT_FOLDER cannot be read ({type(wrong).__name__}); let this service read it")
        said = STATUS.search(str(wrong))
        return self._of_status(int(said[1]) if said else None, _code(wrong), wrong, asked)

    def _of_status(self, status: int | None, code: str, wrong: Exception, asked: str) -> Fault:
        told = f"{self._place.title} answered {status} to {asked}" + (f" ({code})" if code else "")
        if isinstance(wrong, PermissionDeniedError | UnauthenticatedError) or status in (401, 403) or code in KEYS_REFUSED:
            return CredentialRefused(f"{told}. The credential is wrong, has lapsed, or may not list and read {self._place.address}")
        if code in SLOW_DOWN or status == 429:  # noqa: PLR2004 - too many requests
            return Throttled(told)
        if status == 404:  # noqa: PLR2004 - not found
            return self._missing(asked, code)
        if status == 416:  # noqa: PLR2004 - the range that is asked for is not there
            return ObjectChanged(f"{asked} is shorter than when it was looked at; begin anew")
        return self._of_connection(status, told, wrong, asked)

    def _of_connection(self, status: int | None, told: str, wrong: Exception, asked: str) -> Fault:
        text = str(wrong)
        if "redirect" in text and isinstance(self._place, S3Place):
            return Rejected(f"{self._place.address} is not in the region {self._place.region}; name the one that the bucket is in")
        if "non-partial response" in text:
            return StepFailed(f"{self._place.title} answered {asked} whole where a part was asked for")
        if status is None or status in IN_TROUBLE:
            return Unavailable(told if status else f"{self._place.title} could not be reached or broke off at {asked}; nothing was kept")
        return StepFailed(told)

    def _missing(self, asked: str, code: str) -> Missing:
        return Missing(f"there is no {self._place.address}" if code in NO_PLACE else f"there is no {asked} in {self._place.address}")


def _code(wrong: Exception) -> str:
    said = CODE.search(str(wrong))
    return said[1] if said else ""

"""What Cloud KMS refuses, as faults that say what mends it."""

import re

from google.api_core import exceptions as google

from src.core.base.faults import Fault, Misconfigured, Tampered, Throttled, Unavailable

ROLE = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
THROTTLED_SECONDS = 10.0
KEY = re.compile(r"projects/(?P<project>[^/]+)/locations/(?P<location>[^/]+)/keyRings/(?P<ring>[^/]+)/cryptoKeys/(?P<key>[^/]+)")
# A refusal names the version it is about; of encryption that is the primary one, which the caller does not know.
VERSION = re.compile(r"projects/[^/\s]+/locations/[^/\s]+/keyRings/[^/\s]+/cryptoKeys/[^/\s]+/cryptoKeyVersions/\d+")
STATE = re.compile(r"\b(DISABLED|DESTROY_SCHEDULED|DESTROYED|PENDING_GENERATION|PENDING_IMPORT)\b")
# gRPC's words where the credentials gave no token, and so nothing was sent
TOKENLESS = "metadata from plugin"


def fault_of(wrong: google.GoogleAPICallError, target: str, *, opening: bool) -> Fault:
    """`target` is the key that was to seal, or the version that sealed what is to be opened."""
    match wrong:
        case google.ResourceExhausted():
            return Throttled(
                "Cloud KMS takes no more calls for this minute; raise the quota of cryptographic requests of the key's project",
                retry_after=THROTTLED_SECONDS,
            )
        case google.PermissionDenied() | google.Unauthenticated():
            return _denied(wrong, target)
        case google.NotFound() | google.MethodNotImplemented():
            return _absent(wrong, target)
        case google.FailedPrecondition():
            return _unusable(wrong, target, opening=opening)
        case google.InvalidArgument():
            return _invalid(wrong, target, opening=opening)
        case _:
            return _silent(wrong)


def _denied(wrong: google.GoogleAPICallError, target: str) -> Misconfigured:
    if isinstance(wrong, google.Unauthenticated):
        return Misconfigured(
            f"GOOGLE_APPLICATION_CREDENTIALS: Cloud KMS does not accept the platform's account; name one that has {ROLE} on {target}"
        )
    key = KEY.match(target)
    if key and wrong.reason == "SERVICE_DISABLED":
        return Misconfigured(
            f"KMS_KEY_NAME: Cloud KMS is not switched on in {key['project']}; "
            f"run `gcloud services enable cloudkms.googleapis.com --project {key['project']}`"
        )
    # KMS answers so for a key that is not there as well, unless one may see that
    return Misconfigured(
        f"KMS_KEY_NAME: the platform's account may not use {target}, or there is no such key; grant it {ROLE} on that key: "
        f"{_gcloud('add-iam-policy-binding', target).rstrip('`')} --member serviceAccount:ACCOUNT --role {ROLE}`"
    )


def _absent(wrong: google.GoogleAPICallError, target: str) -> Misconfigured:
    if isinstance(wrong, google.MethodNotImplemented):
        return Misconfigured("KMS_URL: what answers there is not Cloud KMS; correct it, or unset it")
    return Misconfigured(f"KMS_KEY_NAME: Cloud KMS has no {target}; correct the name, or make the key: {_gcloud('create', target)}")


def _unusable(wrong: google.GoogleAPICallError, target: str, *, opening: bool) -> Misconfigured:
    """Of a version that is not enabled, or a key that is not made for this."""
    text = str(wrong.message)
    named, state = VERSION.search(text), STATE.search(text)
    version = named[0] if named else target
    if state is None:
        return Misconfigured(f"KMS_KEY_NAME: {target} cannot be used; it must be a symmetric key with an enabled primary version")
    mend = _mend(version, state[0], opening=opening)
    return Misconfigured(f"KMS_KEY_NAME: the key version {version} is {state[0]}; {mend}")


def _mend(version: str, state: str, *, opening: bool) -> str:
    if state == "DISABLED":
        return f"enable it: {_gcloud('versions enable', version)}"
    if state == "DESTROY_SCHEDULED":
        return f"bring it back while there is time: {_gcloud('versions restore', version)}, then enable it"
    if not opening:
        return f"make another version the primary one: {_gcloud('versions create', version)} --primary"
    if state == "DESTROYED":
        return "what it sealed is lost: store that credential anew, or rotate that API key"
    return "wait until it is made"


def _invalid(wrong: google.GoogleAPICallError, target: str, *, opening: bool) -> Fault:
    text = str(wrong.message).lower()
    if "checksum" in text or "crc32c" in text:
        return Unavailable("what was sent to Cloud KMS did not arrive as it was sent; try again")
    # KMS says no more of a text that does not open
    if opening:
        return Tampered("a wrapped key was changed, or belongs to another secret or another key")
    return Misconfigured(f"KMS_KEY_NAME: {target} does not encrypt; name a symmetric key made with --purpose encryption")


def _silent(wrong: google.GoogleAPICallError) -> Unavailable:
    if TOKENLESS in str(wrong.message):
        return Unavailable(
            "Cloud KMS was not asked: the platform's account got no token from Google; try again, and if that stays, "
            "see that GOOGLE_APPLICATION_CREDENTIALS names a key that still exists"
        )
    status = wrong.grpc_status_code.name if wrong.grpc_status_code else type(wrong).__name__
    return Unavailable(
        f"Cloud KMS did not answer ({status}), and without it secrets are neither sealed nor opened; nothing was stored. Try again; "
        "if that stays, see that KMS_URL is reachable from here"
    )


def _gcloud(act: str, target: str) -> str:
    """The command that does it, for the key or the version."""
    key = KEY.match(target)
    if key is None:
        return f"`gcloud kms keys {act}`"
    ring = f"--keyring {key['ring']} --location {key['location']} --project {key['project']}"
    version = target.rpartition("/cryptoKeyVersions/")[2]
    if act == "create":
        return f"`gcloud kms keys create {key['key']} {ring} --purpose encryption`"
    if act in ("versions enable", "versions restore"):
        return f"`gcloud kms keys {act} {version} --key {key['key']} {ring}`"
    if act == "versions create":
        return f"`gcloud kms keys versions create --key {key['key']} {ring} --primary`"
    return f"`gcloud kms keys {act} {key['key']} {ring}`"

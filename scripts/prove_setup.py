"""Shows that the lock installs on an old pip where newer releases of its packages are offered too, as the index will one day."""

import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements.txt"
OLD_PIPS = (
    "pip==22.3 --hash=sha256:1daab4b8d3b97d1d763caeb01a4640a2250a0ea899e257b1e44b9eded91e15ab",
    "pip==23.2.1 --hash=sha256:7ccf472345f20d35bdc9d1841ff5f313260c2c33fe417f48c30ac46cccabf5be",
)
OLD_PIP = OLD_PIPS[sys.version_info >= (3, 12)]  # 22.3 runs on no Python newer than 3.11
NEWER = ("google-auth", "google-api-core", "certifi", "typer")  # the first two are wanted with an extra, for which an old pip looks anew
PIN = re.compile(r"^([a-z0-9-]+)==(\S+)( ;)?", re.MULTILINE)
AS_LOCKED = ("--quiet", "--disable-pip-version-check", "--require-hashes", "--no-deps")
LIST = """
import google.auth, importlib.metadata
for each in importlib.metadata.distributions(): print(each.name.lower().replace("_", "-"), each.version)
"""


def main() -> None:
    pip = OLD_PIP.split()[0].replace("==", " ")
    with TemporaryDirectory(prefix="prove-setup-") as scratch:
        folder, environment = Path(scratch, "wheels"), Path(scratch, "environment")
        with ThreadPoolExecutor() as pool:
            made = pool.submit(make, environment)
            must(sys.executable, "-m", "pip", "download", *AS_LOCKED, "--only-binary", ":all:", "-d", folder, "-r", LOCK)
            python = made.result()
        for name in NEWER:
            [wheel] = folder.glob(f"{name.replace('-', '_')}-*.whl")
            offer_newer(wheel)

        by_pip = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder), "PIP_NO_COMPILE": "1"}
        code, said = run(python, "-m", "pip", "install", "--require-hashes", "-r", LOCK, settings=by_pip)
        if code == 0 or "pinned with ==" not in said:
            sys.exit(f"A plain install was to be refused for a newer release, so that this proves nothing:\n{said}")
        print(f"{pip} refuses a plain install beside newer releases of {', '.join(NEWER)}")

        seconds = install(environment, "pip installs in the place of uv", by_pip)
        print(f"scripts/install.sh installs what is locked, by {pip} in {seconds:.1f} s")

        code, said = run("sh", ROOT / "scripts/uv.sh", sys.executable, settings=None)
        if code:
            print(f"by uv: not shown, for it is not to be had here: {said}")
            return
        break_off(environment)
        by_uv = {"UV_OFFLINE": "1", "UV_FIND_LINKS": str(folder), "UV_CACHE_DIR": str(Path(scratch, "cache")), "UV_COMPILE_BYTECODE": "0"}
        print(f"and by uv, over one that was broken off, in {install(environment, '', by_uv):.1f} s")


def run(*command: str | Path, settings: Mapping[str, str] | None) -> tuple[int, str]:
    """Its exit code and what it said; with settings, pip and uv are told these and nothing else."""
    env = dict(os.environ)
    if settings is not None:
        kept = {name: value for name, value in env.items() if not name.startswith(("PIP_", "UV_"))}
        env = {**kept, "PIP_CONFIG_FILE": os.devnull, "UV_NO_CONFIG": "1", **settings}
    done = subprocess.run(command, env=env, text=True, capture_output=True, check=False)
    return done.returncode, done.stdout + done.stderr


def must(*command: str | Path, settings: Mapping[str, str] | None = None) -> str:
    code, said = run(*command, settings=settings)
    if code:
        sys.exit(f"{' '.join(map(str, command))}\n{said}")
    return said


def make(environment: Path) -> Path:
    """Its python, with the old pip."""
    must(sys.executable, "-m", "venv", environment)
    wanted = environment / "pip.txt"
    wanted.write_text(OLD_PIP)
    python = environment / "bin" / "python"
    must(python, "-m", "pip", "install", *AS_LOCKED, "-r", wanted)
    return python


def offer_newer(wheel: Path) -> None:
    """Lays the same package beside it as a later release of its major version."""
    name, version, tags = wheel.name.split("-", 2)
    later = f"{version.split('.', 1)[0]}.999"
    record = f"{name}-{later}.dist-info/RECORD"
    lines = [f"{record},,\n"]
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(wheel.with_name(f"{name}-{later}-{tags}"), "w") as new:
        for entry in old.namelist():
            path, content = entry.replace(f"{name}-{version}.dist-info/", f"{name}-{later}.dist-info/", 1), old.read(entry)
            if path == record:
                continue
            if path.endswith(".dist-info/METADATA"):
                content = content.replace(f"\nVersion: {version}\n".encode(), f"\nVersion: {later}\n".encode(), 1)
            new.writestr(path, content)
            lines.append(f"{path},sha256={urlsafe_b64encode(sha256(content).digest()).rstrip(b'=').decode()},{len(content)}\n")
        new.writestr(record, "".join(lines))


def install(environment: Path, words: str, settings: Mapping[str, str]) -> float:
    """The seconds that install.sh takes, saying these words, to bring what is locked and nothing newer."""
    begun = time.monotonic()
    said = must("sh", ROOT / "scripts/install.sh", environment, LOCK, settings=settings)
    seconds = time.monotonic() - begun
    if words not in said or (said and not words):
        sys.exit(f"scripts/install.sh was to say {words or 'nothing'!r}, and said: {said}")
    python = environment / "bin" / "python"
    must(python, "-m", "pip", "check", settings=settings)
    there = dict(line.split() for line in must(python, "-c", LIST).splitlines())
    pins = PIN.findall(LOCK.read_text())
    differ = [f"{name}=={version}" for name, version, marker in pins if there.get(name, version if marker else "") != version]
    if differ or not pins:
        sys.exit(f"These were to be there: {', '.join(differ)}; there are {there}")
    return seconds


def break_off(environment: Path) -> None:
    """Leaves it as an installer does that is killed at work."""
    (environment / "unfinished").touch()
    for package in environment.glob("lib/python*/site-packages/google/auth"):
        shutil.rmtree(package)


if __name__ == "__main__":
    main()

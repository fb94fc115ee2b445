import hashlib
import os

import pytest

from src.core.base.faults import Misconfigured, Missing, Rejected
from src.core.base.identity import Tenant
from src.core.base.names import Environment, org_slug
from src.core.objects import store
from src.core.objects.opening import open_folder
from src.core.objects.place import FolderPlace
from src.core.objects.port import ObjectChanged
from tests.core.objects.opened import settings_with

ACME = Tenant(org_slug("acme_corp"), Environment.DEVELOPMENT)


@pytest.fixture
def folder(tmp_path):
    mine = tmp_path / "exports" / "acme_corp" / "daily"
    mine.mkdir(parents=True)
    (mine / "a.csv").write_bytes(b"abc" * 1000)
    (mine / "b=1").mkdir()
    (mine / "b=1" / "ä b.csv").write_bytes(b"x")
    (tmp_path / "exports" / "acme_corp" / "other.csv").write_bytes(b"other")
    theirs = tmp_path / "exports" / "initech" / "daily"
    theirs.mkdir(parents=True)
    (theirs / "secret.csv").write_bytes(b"secret")
    return mine


@pytest.fixture
def objects(folder, tmp_path):
    return open_folder(settings_with(object_folder=tmp_path / "exports"), FolderPlace(ACME, "daily"))


def test_what_lies_below_the_prefix_is_listed_read_and_fetched(objects, folder, tmp_path):
    listed = {one.name: one for page in objects.pages() for one in page}

    assert sorted(listed) == ["daily/a.csv", "daily/b=1/ä b.csv"]
    assert [one.name for page in objects.pages("daily/b=1") for one in page] == ["daily/b=1/ä b.csv"]
    assert objects.look("folder://acme_corp/daily/a.csv") == listed["daily/a.csv"]
    assert b"".join(objects.read(listed["daily/a.csv"])) == b"abc" * 1000
    fetched = objects.fetch(listed["daily/a.csv"], tmp_path / "kept.csv")
    assert fetched.path.read_bytes() == b"abc" * 1000
    assert fetched.sha256 == hashlib.sha256(b"abc" * 1000).hexdigest()
    assert not (tmp_path / "kept.csv.part").exists()


def test_a_link_that_leads_out_is_neither_listed_nor_read(objects, folder, tmp_path):
    (folder / "link.csv").symlink_to(tmp_path / "exports" / "initech" / "daily" / "secret.csv")
    (folder / "up.csv").symlink_to(folder.parent / "other.csv")
    (folder / "linked").symlink_to(tmp_path / "exports" / "initech")

    assert {one.name for page in objects.pages() for one in page} == {"daily/a.csv", "daily/b=1/ä b.csv"}
    for name in ("daily/link.csv", "daily/up.csv", "daily/linked/daily/secret.csv"):
        with pytest.raises(Rejected, match="leads out of the folder"):
            objects.look(name)


def test_a_file_that_is_written_to_while_it_is_read_is_noticed(objects, folder, monkeypatch):
    monkeypatch.setattr(store, "PIECE", 500)
    found = objects.look("daily/a.csv")
    pieces = objects.read(found)
    next(pieces)
    (folder / "a.csv").write_bytes(b"xyz" * 1000)
    os.utime(folder / "a.csv", (1, 1))

    with pytest.raises(ObjectChanged, match="changed while it was read"):
        list(pieces)


def test_an_empty_file_has_no_bytes(objects, folder):
    (folder / "empty.csv").touch()

    assert list(objects.read(objects.look("daily/empty.csv"))) == []


def test_another_organisation_has_another_folder_or_none(folder, tmp_path):
    settings = settings_with(object_folder=tmp_path / "exports")
    with pytest.raises(Missing, match="OBJECT_FOLDER has no folder hooli"):
        open_folder(settings, FolderPlace(Tenant(org_slug("hooli"), Environment.DEVELOPMENT)))
    (tmp_path / "exports" / "hooli").symlink_to(tmp_path / "exports" / "initech")
    with pytest.raises(Missing, match="OBJECT_FOLDER has no folder hooli"):
        open_folder(settings, FolderPlace(Tenant(org_slug("hooli"), Environment.DEVELOPMENT)))
    with pytest.raises(Misconfigured, match="OBJECT_FOLDER is not set"):
        open_folder(settings_with(), FolderPlace(ACME))


def test_what_is_not_there_is_missing(objects):
    with pytest.raises(Missing, match=r"there is no daily/none.csv in folder://acme_corp"):
        objects.look("daily/none.csv")

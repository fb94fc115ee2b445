"""Object storage: what is read, where, and with whose key."""

from tests.planted.defect import Defect

BREAKS = "tests/core/objects/test_breaks.py"

DEFECTS = (
    Defect(
        "objects",
        "half of an old bill is loaded with half of a new one",
        "src/core/objects/store.py",
        '            answer = obstore.get(self._store, within, options={"range": (at, end), "if_match": found.etag})',
        '            answer = obstore.get(self._store, within, options={"range": (at, end)})',
        (f"{BREAKS}::test_an_object_that_changes_while_it_is_read_is_noticed_and_nothing_is_kept",),
    ),
    Defect(
        "objects",
        "a bill that came over a bad connection lacks rows in its middle",
        "src/core/objects/store.py",
        "                    at += len(piece)",
        "                    at += len(piece) + 1",
        (f"{BREAKS}::test_a_connection_that_always_breaks_ends_the_read_only_where_no_bytes_come_any_more",),
    ),
    Defect(
        "objects",
        "a file that is rewritten under its reader is loaded as it never was",
        "src/core/objects/store.py",
        "        if self._root is not None and self.look(found.name).etag != found.etag:",
        "        if self._root is None and self.look(found.name).etag != found.etag:",
        ("tests/core/objects/test_folder.py::test_a_file_that_is_written_to_while_it_is_read_is_noticed",),
    ),
    Defect(
        "objects",
        "a link in a folder shows another organisation's exports",
        "src/core/objects/store.py",
        "        return is_within(self._place, name) and (self._root / name).resolve().is_relative_to(prefix)",
        "        return is_within(self._place, name) and (self._root / name).is_relative_to(prefix)",
        ("tests/core/objects/test_folder.py::test_a_link_that_leads_out_is_neither_listed_nor_read",),
    ),
    Defect(
        "objects",
        "a manifest names objects of a folder whose name only begins alike",
        "src/core/objects/place.py",
        '    return not place.prefix or name.startswith(f"{place.prefix}/")',
        "    return not place.prefix or name.startswith(place.prefix)",
        ("tests/core/objects/test_place.py::test_no_object_outside_of_the_prefix_is_named",),
    ),
    Defect(
        "objects",
        "an organisation's key is sent to an address of the platform's surroundings",
        "src/core/objects/opening.py",
        '            "aws_endpoint_url_s3": url,',
        '            "endpoint": url,',
        (f"{BREAKS}::test_the_surroundings_of_the_platform_lend_neither_address_nor_key",),
    ),
    Defect(
        "objects",
        "a variable of the platform's has a key of Azure left away",
        "src/core/objects/opening.py",
        '            "use_emulator": False,',
        '            "use_emulator": True,',
        ("tests/core/objects/test_other_clouds.py::test_azure_is_shown_the_organisations_own_key_and_nothing_of_the_platforms",),
    ),
    Defect(
        "objects",
        "who knows the name of a role has the platform read with it",
        "src/core/objects/roles.py",
        '            "ExternalId": external_id,',
        '            "Tags": external_id,',
        ("tests/core/objects/test_roles.py::test_the_external_id_goes_along_and_keys_are_made_anew_before_they_lapse",),
    ),
    Defect(
        "objects",
        "a long load ends in the middle because its keys have lapsed",
        "src/core/objects/roles.py",
        "            if self._held is None or self._held.until is None or self._clock.now() > self._held.until - AHEAD:",
        "            if self._held is None or self._held.until is None:",
        ("tests/core/objects/test_roles.py::test_the_external_id_goes_along_and_keys_are_made_anew_before_they_lapse",),
    ),
)

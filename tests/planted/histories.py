"""What only a history of several runs, exports and credentials shows."""

from tests.planted.defect import Defect

FOUND = "tests/core/histories/test_found.py"

DEFECTS = (
    Defect(
        "histories",
        "a newer export that tells a part of what the older one told makes whole what it takes the place of",
        "src/core/step/books/shares.py",
        "*may_be_filled, *_in_doubt(known, reaches)]",
        "*may_be_filled]",
        ("tests/core/gcp/test_sources.py",),
        "tells_in_part",
    ),
    Defect(
        "histories",
        "a credential that was just stored leaves every day as whole as it was",
        "src/core/costs/sight.py",
        "        if not self.unread and not self.removed:",
        "        if self.told:",
        (FOUND,),
        "beside_a_credential",
    ),
    Defect(
        "histories",
        "what an export is filled with when it begins counts beside what the older one told of the same days",
        "src/core/step/books/shares.py",
        "        fills_from=_newest(tiers[at], reaches).fills_from if older else None,",
        "        fills_from=None,",
        (FOUND,),
        "filled_with",
    ),
    Defect(
        "histories",
        "a load day that was listed, and was gone before it was read, is forgotten",
        "src/core/step/books/coverage.py",
        "lost = [one for one in gone if axis.forgets and",
        "lost = [one for one in gone if not axis.forgets and",
        (FOUND,),
        "gone_before_it_is_read",
    ),
)

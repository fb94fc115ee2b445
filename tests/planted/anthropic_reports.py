"""What Anthropic's reports tell otherwise than others: in cents, beside the cache, in rows, and twice."""

from tests.planted.defect import Defect

DAYS, LOADED = "tests/core/providers/anthropic/test_days.py", "tests/core/providers/anthropic/test_usage_cost.py"
COLUMNS, ASKED, CLIENT = (f"src/core/providers/anthropic/{name}.py" for name in ("columns", "days", "client"))

DEFECTS = (
    Defect(
        "anthropic",
        "cents are taken for dollars, and a bill is a hundred times too high",
        COLUMNS,
        "    return exact(amount.scaleb(-2))",
        "    return exact(amount)",
        (f"{DAYS}::test_amounts_are_cents_digit_for_digit",),
    ),
    Defect(
        "anthropic",
        "a day read before it was over never stands as it was read, and is told otherwise at each look",
        COLUMNS,
        "        until = None if self.refreshed_at is None else min(self.refreshed_at.astimezone(UTC), end)",
        "        until = None if self.refreshed_at is None else self.refreshed_at.astimezone(UTC)",
        (f"{DAYS}::test_a_day_of_two_prices_is_told_by_the_hour_and_today_as_far_as_it_went",),
    ),
    Defect(
        "anthropic",
        "fast use in the US is taken from the whole twice",
        ASKED,
        "            sign = -1 if len(beyond - within) % 2 else 1",
        "            sign = -1 if beyond - within else 1",
        (f"{DAYS}::test_what_is_charged_otherwise_is_taken_from_the_whole",),
    ),
    Defect(
        "anthropic",
        "the default workspace is another one as soon as analytics tell of it",
        ASKED,
        '        return {**group, "workspace_id": None} if default else group',
        "        return group",
        (f"{DAYS}::test_both_generations_tell_the_same_use",),
    ),
    Defect(
        "anthropic",
        "chat and Claude Code are billed as use of the API",
        ASKED,
        '        return (one for one in rows if one[0].group.get("product") not in SEATS)',
        "        return iter(rows)",
        (f"{DAYS}::test_what_is_no_use_of_the_api_stands_apart",),
    ),
    Defect(
        "anthropic",
        "a failure of the report of Claude Code takes back what was told before",
        ASKED,
        "        except (CredentialRefused, Misconfigured):",
        "        except Exception:",
        (f"{DAYS}::test_claude_code_is_not_told_where_it_is_not_offered_and_anything_else_is_a_failure",),
    ),
    Defect(
        "anthropic",
        "a page that comes twice counts twice",
        CLIENT,
        "                if not before <= row.begins < end or row.key in seen:",
        "                if not before <= row.begins < end:",
        (f"{DAYS}::test_rows_come_once_in_the_order_of_time_or_not_at_all",),
    ),
    Defect(
        "anthropic",
        "a provider that asks for patience is hammered",
        "src/core/providers/http/pace.py",
        "            if wait > LONGEST_HOLD or (told is None and not self.facts.guesses):",
        "            if wait > LONGEST_HOLD:",
        (f"{DAYS}::test_who_does_not_say_how_long_to_wait_is_asked_once",),
    ),
    Defect(
        "anthropic",
        "a child that its parent's report leaves out is not missed",
        "configs/anthropic/books/doubts.sql",
        "  HAVING COUNT(told.id) = 0",
        "  HAVING COUNT(told.id) < 0",
        (f"{LOADED}::test_a_child_that_no_report_tells_of_makes_every_day_partial",),
    ),
    Defect(
        "anthropic",
        "a child that was told once is missed never more",
        "configs/anthropic/books/doubts.sql",
        "    AND told.usage_date BETWEEN DATE_SUB(days.usage_date, INTERVAL 7 DAY) AND DATE_ADD(days.usage_date, INTERVAL 7 DAY)",
        "",
        (f"{LOADED}::test_a_child_that_was_told_once_is_missed_once_it_is_told_no_more",),
    ),
    Defect(
        "anthropic",
        "a child and its parent that nobody named count twice and are whole",
        "configs/anthropic/books/doubts.sql",
        "    HAVING COUNT(DISTINCT account) > 1",
        "    HAVING COUNT(DISTINCT account) > 2",
        (f"{LOADED}::test_a_parent_and_its_child_that_nobody_named_are_seen_by_what_both_tell_of",),
    ),
    Defect(
        "anthropic",
        "searches of the web cost nothing",
        "configs/anthropic/books/meters.sql",
        "    CASE WHEN kind.unit = 'call' THEN 'web-search' ELSE model END AS model,",
        "    model,",
        (f"{LOADED}::test_either_generation_tells_the_bill_to_the_last_digit_and_one_replaces_the_other",),
    ),
)

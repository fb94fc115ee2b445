"""What an account writes down itself of its requests, by the `usage` that DeepSeek answers with."""

import json
from datetime import date, datetime, timedelta

from src.sandbox.deepseek.accounts import DeepseekAccount
from src.sandbox.deepseek.use import DeepseekUse, used


def records(account: DeepseekAccount, first: date, last: date, now: datetime) -> str:
    """A line for each burst, as if it were one request."""
    days = (first + timedelta(number) for number in range((last - first).days + 1))
    return "".join(f"{json.dumps(_record(one))}\n" for day in days for one in used(account, day, now))


def _record(use: DeepseekUse) -> dict[str, object]:
    hit, miss, out = (use.amounts[kind] for kind in ("hit", "miss", "out"))
    usage = {
        "prompt_tokens": hit + miss,
        "prompt_cache_hit_tokens": hit,
        "prompt_cache_miss_tokens": miss,
        "completion_tokens": out,
        "completion_tokens_details": {"reasoning_tokens": out // 3},
        "total_tokens": hit + miss + out,
    }
    return {"created": int(use.at.timestamp()), "model": use.work.model, "usage": usage}

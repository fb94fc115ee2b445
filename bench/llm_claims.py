"""Prices requests by a package that is made for it, in an environment that has it: what it claims, wherever it claims something.

    python -m bench.llm_claims litellm|genai_prices < requests

A line of the input is a request as JSON; its answer is a line too, dollars or `null`. `moment` counts where the package can be told it.
"""

import json
import os
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from importlib.metadata import version
from typing import Any

Request = Mapping[str, Any]
Price = Callable[[Request], Decimal | None]
NAMES = {"litellm": "litellm", "genai_prices": "genai-prices"}
WRITTEN = ("write_5m", "write_1h")


def prompt(asked: Request) -> int:
    return sum(int(asked[kind]) for kind in ("input", "read", *WRITTEN))


def genai_prices_call() -> Price:
    import genai_prices  # noqa: PLC0415 - this file runs where the one or the other package is

    def price(asked: Request) -> Decimal | None:
        usage = genai_prices.Usage(
            input_tokens=prompt(asked),
            cache_read_tokens=asked["read"],
            # those for an hour are a part of all
            cache_write_tokens=sum(asked[kind] for kind in WRITTEN),
            cache_write_1h_tokens=asked["write_1h"],
            output_tokens=asked["out"],
        )
        context = {"processing": "batch"} if asked["batch"] else {"speed": "fast"} if asked["fast"] else None
        told = genai_prices.calc_price(
            usage,
            model_ref=asked["model"],
            provider_id=asked["provider"],
            genai_request_timestamp=datetime.fromisoformat(asked["moment"]),
            price_context=context,
        )
        return told.total_price

    return price


def litellm_call() -> Price:
    # its own copy of the prices: else it asks for them over the network
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    import litellm  # type: ignore[import-not-found]  # noqa: PLC0415
    from litellm.cost_calculator import batch_cost_calculator  # type: ignore[import-not-found]  # noqa: PLC0415
    from litellm.types.utils import (  # type: ignore[import-not-found]  # noqa: PLC0415
        CacheCreationTokenDetails,
        PromptTokensDetailsWrapper,
        Usage,
    )

    def price(asked: Request) -> Decimal | None:
        # it takes the time of day from its own clock, and so says nothing of a moment that is past
        if asked["provider"] == "deepseek":
            return None
        lifetimes = CacheCreationTokenDetails(ephemeral_5m_input_tokens=asked["write_5m"], ephemeral_1h_input_tokens=asked["write_1h"])
        written = sum(asked[kind] for kind in WRITTEN)
        usage = Usage(
            prompt_tokens=prompt(asked),
            completion_tokens=asked["out"],
            prompt_tokens_details=PromptTokensDetailsWrapper(
                cached_tokens=asked["read"], cache_creation_tokens=written, cache_creation_token_details=lifetimes
            ),
            cache_read_input_tokens=asked["read"],
            cache_creation_input_tokens=written,
            **({"speed": "fast"} if asked["fast"] else {}),
            **({"inference_geo": "us"} if asked["us"] else {}),
        )
        if asked["batch"]:
            told = batch_cost_calculator(usage, asked["model"], asked["provider"])
        else:
            told = litellm.cost_per_token(model=asked["model"], custom_llm_provider=asked["provider"], usage_object=usage)
        return Decimal(repr(sum(told)))

    return price


CALLS = {"litellm": litellm_call, "genai_prices": genai_prices_call}


def main() -> None:
    price = CALLS[sys.argv[1]]()
    print(version(NAMES[sys.argv[1]]))
    for line in sys.stdin:
        told = price(json.loads(line))
        print("null" if told is None else f"{told:f}")


if __name__ == "__main__":
    main()

"""Prices calls by a package that is made for it, in the environment of its own that has it.

    python -m bench.llm_packages litellm|genai_prices CALLS

Imports, and a call before, are not measured. What is asked is what usage knows of a call: input, cached input and output of a model.
"""

import os
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

MODELS = ("gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-5", "gpt-5-mini", "gpt-5.1", "gpt-5.4", "gpt-5.4-mini", "o3")


def litellm_call() -> Callable[[str, int, int, int], Any]:
    # its own copy of the prices: else it asks for them over the network
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    import litellm  # type: ignore[import-not-found]  # noqa: PLC0415 - lives in the benchmarks' own environment

    def price(model: str, tokens: int, cached: int, output: int) -> Any:
        return litellm.cost_per_token(model=model, prompt_tokens=tokens, completion_tokens=output, cache_read_input_tokens=cached)

    return price


def genai_prices_call() -> Callable[[str, int, int, int], Any]:
    import genai_prices  # noqa: PLC0415 - lives in the benchmarks' own environment

    def price(model: str, tokens: int, cached: int, output: int) -> Any:
        usage = genai_prices.Usage(input_tokens=tokens, cache_read_tokens=cached, output_tokens=output)
        return genai_prices.calc_price(usage, model_ref=model, provider_id="openai")

    return price


CALLS = {"litellm": litellm_call, "genai_prices": genai_prices_call}


def main() -> None:
    price, calls = CALLS[sys.argv[1]](), int(sys.argv[2])
    asked = [partial(price, MODELS[n % len(MODELS)], 1_000 + n % 60_000, n % 900, n % 20_000) for n in range(calls)]
    asked[0]()
    started = time.perf_counter()
    for call in asked:
        call()
    print(f"measured {time.perf_counter() - started}")


if __name__ == "__main__":
    main()

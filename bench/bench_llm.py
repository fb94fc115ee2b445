"""Usage of language models: read from pages, and priced. `python -m bench.bench_llm [--rows N] [--pairs N] [--packages PYTHON]`"""

import argparse

from bench import llm_pages, llm_pricing


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=llm_pricing.ROWS)
    options.add_argument("--pairs", type=int, default=5)
    options.add_argument("--packages", help="a Python that has litellm and genai-prices")
    given = options.parse_args()
    llm_pages.measure(given.pairs)
    llm_pricing.measure(given.rows, given.pairs, given.packages)


if __name__ == "__main__":
    main()

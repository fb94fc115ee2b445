from src.core.step.prices.seeding import PriceSeeding


class AnthropicSeedProcessor(PriceSeeding):
    provider = "anthropic"


def get_engine() -> AnthropicSeedProcessor:
    return AnthropicSeedProcessor()

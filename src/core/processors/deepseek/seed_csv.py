from src.core.step.prices.seeding import PriceSeeding


class DeepSeekSeedProcessor(PriceSeeding):
    provider = "deepseek"


def get_engine() -> DeepSeekSeedProcessor:
    return DeepSeekSeedProcessor()

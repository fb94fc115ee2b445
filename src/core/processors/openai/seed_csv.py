from src.core.step.prices.seeding import PriceSeeding


class OpenAISeedProcessor(PriceSeeding):
    provider = "openai"


def get_engine() -> OpenAISeedProcessor:
    return OpenAISeedProcessor()

from src.core.step.prices.plan_costing import PlanCosting


class OpenAISubscriptions(PlanCosting):
    provider = "openai"


def get_engine() -> OpenAISubscriptions:
    return OpenAISubscriptions()

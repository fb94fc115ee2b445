from src.core.step.prices.plan_costing import PlanCosting


class AnthropicSubscriptions(PlanCosting):
    provider = "anthropic"


def get_engine() -> AnthropicSubscriptions:
    return AnthropicSubscriptions()

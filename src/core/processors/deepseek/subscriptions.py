from src.core.step.prices.plan_costing import PlanCosting


class DeepSeekSubscriptions(PlanCosting):
    provider = "deepseek"


def get_engine() -> DeepSeekSubscriptions:
    return DeepSeekSubscriptions()

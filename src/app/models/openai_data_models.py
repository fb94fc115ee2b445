"""OpenAI's are those of every model provider."""

from src.app.models.llm_data import PlanRequest as OpenAISubscriptionCreate
from src.app.models.llm_data import PlanUpdate as OpenAISubscriptionUpdate
from src.app.models.llm_data import PriceRequest as OpenAIPricingCreate
from src.app.models.llm_data import PriceUpdate as OpenAIPricingUpdate

__all__ = ["OpenAIPricingCreate", "OpenAIPricingUpdate", "OpenAISubscriptionCreate", "OpenAISubscriptionUpdate"]

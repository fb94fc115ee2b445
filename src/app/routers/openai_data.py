"""OpenAI's prices are served as those of every model provider."""

from src.app.routers.llm_data import router

__all__ = ["router"]

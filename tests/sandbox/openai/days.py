"""Time as OpenAI counts it."""

DAY = 86_400
FIRST = 1_794_268_800  # 2026-11-10

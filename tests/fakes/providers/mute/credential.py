from src.core.providers.packages import Connection as Connection

KINDS = "a key"

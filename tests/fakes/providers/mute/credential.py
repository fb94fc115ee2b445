from src.core.providers.packages import ShownConnection

KINDS = "a key"
Connection = ShownConnection

from src.core.providers.packages import ShownConnection

KINDS = ""
Connection = ShownConnection

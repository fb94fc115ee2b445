THIS = "has no factory"

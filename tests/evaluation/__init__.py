"""How good the shipped alert rules are, on days whose troubles are known because they were injected."""

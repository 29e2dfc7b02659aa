"""Floorwalker without a framework: the domain, the adapters, configuration and the command line."""

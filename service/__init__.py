"""Floorwalker without a framework: the domain, the adapters, configuration and the command line."""

from service import domain
from service.compiled import search_path

domain.__path__[:0] = search_path()

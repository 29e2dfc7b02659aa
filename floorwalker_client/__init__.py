"""Asking Floorwalker from another program; needs the standard library and msgspec, and nothing else of the product."""

from floorwalker_client.http import NoAnswer
from floorwalker_client.routing import QueueState, Refused, RoutingAnswer, RoutingClient

__all__ = ["NoAnswer", "QueueState", "Refused", "RoutingAnswer", "RoutingClient"]

"""What is known of a contact beside what its source said in order: closures made for it, and events taken back."""

from msgspec import Struct, field


class Closure(Struct, array_like=True, gc=False):
    """One closure. `place` is a field of the visit or leg `target`. `laid`: it counts. `over`: an end that the source
    told does not. `instead_of_ms`: what the source said in that place.
    """

    place: str
    target: str
    at_ms: int
    reason: str
    laid: bool = False
    over: bool = False
    instead_of_ms: int | None = None


class Amends(Struct, array_like=True, gc=False):
    """Kept with the few contacts that need it. `retracted` are the codes of ids that others replaced."""

    closures: list[Closure] = field(default_factory=list)
    retracted: list[int] = field(default_factory=list)

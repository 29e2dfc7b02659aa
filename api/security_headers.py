"""What every answer tells browsers."""

from typing import Final

from starlette.types import Message, Send

PAGE_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'self'; base-uri 'none'"
)
"""Of our own pages: scripts and styles from files of ours only, nothing inline, nothing from elsewhere."""

HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
"""Of every answer that does not say otherwise."""

_RAW: Final = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]


def with_headers(send: Send) -> Send:
    """Add the headers to the answer."""

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = {name for name, _ in message["headers"]}
            message["headers"] = [*message["headers"], *(header for header in _RAW if header[0] not in given)]
        await send(message)

    return send_with_headers

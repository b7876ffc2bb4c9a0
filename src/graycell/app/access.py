"""Which requests are answered: those that hold the token, and that were sent to this machine's own address.

The address that is opened holds the token once; a cookie keeps it from then on. The Host of a request must be the
address itself, so that no page of another host can reach the app by a name of its own (DNS rebinding).
"""

import hmac
import html
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

_COOKIE = "graycell-{port}"
_LARGEST = 60 * 2**20
"""[bytes] Of one request."""
_REFUSED, _TOO_LARGE = 403, 413

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class OnlyWithToken:
    """An ASGI application around another, which only requests with the token reach."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]], token: str, port: int) -> None:
        """Keep what is needed.

        Args:
            app: the application inside.
            token: the secret text that a request must hold.
            port: number of the port of the app.
        """
        self.app, self.token, self.port = app, token, port
        self.hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]")}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it.

        Args:
            scope: the request, as ASGI has it.
            receive: a function that returns the next part of the request.
            send: a function that takes the next part of the answer.
        """
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        origin = headers.get("origin", "")
        own = headers.get("host") in self.hosts and (not origin or origin.partition("://")[2] in self.hosts)
        given = _cookies(headers.get("cookie", "")).get(_COOKIE.format(port=self.port), "")
        asked = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("token", [""])[0]
        has_cookie = self._is_it(given)
        if not own or not (has_cookie or (scope["type"] == "http" and self._is_it(asked))):
            await _refuse(scope, send, _REFUSED, "This address opens only from the line that graycell app printed.")
        elif int(headers.get("content-length", "0") or 0) > _LARGEST:
            await _refuse(scope, send, _TOO_LARGE, "Too large.")
        elif not has_cookie:
            await _send_on(scope, send, f"{_COOKIE.format(port=self.port)}={self.token}; HttpOnly; SameSite=Strict; "
                           "Path=/")  # fmt: skip
        else:
            await self.app(scope, receive, send)

    def _is_it(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self.token.encode())


def _cookies(header: str) -> dict[str, str]:
    """Return cookies by name; those of other programs of this machine are among them, whatever they hold."""
    pairs = (part.strip().partition("=") for part in header.split(";"))
    return {name: value for name, _, value in pairs}


async def _send_on(scope: Scope, send: Send, cookie: str) -> None:
    """Answer with the cookie, and a page that leads to the same path without the token.

    A redirection would not do: browsers send no strict cookie along a chain of them that another page began.
    """
    headers = [(b"content-type", b"text/html; charset=utf-8"), (b"set-cookie", cookie.encode()),
               (b"referrer-policy", b"no-referrer"), (b"cache-control", b"no-store")]  # fmt: skip
    path = html.escape(scope["path"])
    page = f'<!doctype html><title>graycell</title><meta http-equiv="refresh" content="0;url={path}">'
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": page.encode()})


async def _refuse(scope: Scope, send: Send, status: int, words: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": words.encode()})

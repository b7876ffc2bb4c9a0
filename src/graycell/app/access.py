"""Who gets in: requests that hold the token, and that were sent to this machine's own address.

The address that is opened holds the token once; a cookie keeps it from then on. The Host of a request must be the
address itself, so that no page of another host can reach the app by a name of its own (DNS rebinding).
"""

import hmac
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import SimpleCookie
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
            token: that opens it.
            port: at which it listens.
        """
        self.app, self.token, self.port = app, token, port
        self.hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]")}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it.

        Args:
            scope: of the request.
            receive: its parts.
            send: the answer.
        """
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        origin = headers.get("origin", "")
        own = headers.get("host") in self.hosts and (not origin or origin.partition("://")[2] in self.hosts)
        given = SimpleCookie(headers.get("cookie", "")).get(_COOKIE.format(port=self.port))
        asked = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("token", [""])[0]
        has_cookie = given is not None and self._is_it(given.value)
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


async def _send_on(scope: Scope, send: Send, cookie: str) -> None:
    """Answer with the cookie, and the same path without the token."""
    headers = [(b"location", scope["path"].encode()), (b"set-cookie", cookie.encode()),
               (b"referrer-policy", b"no-referrer"), (b"cache-control", b"no-store")]  # fmt: skip
    await send({"type": "http.response.start", "status": 303, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


async def _refuse(scope: Scope, send: Send, status: int, words: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": words.encode()})

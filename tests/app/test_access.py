"""Only requests with the token, to this machine's own address, reach the app."""

import asyncio

import pytest

from graycell.app.access import OnlyWithToken

TOKEN, PORT = "a-long-token", 8765
OWN = {"host": "127.0.0.1:8765"}
COOKIE = {"cookie": f"graycell-{PORT}={TOKEN}"}


def answered(headers, query="", kind="http", path="/plan"):
    """Return what is sent, and whether the request reached the inside."""
    reached, sent = [], []

    async def inside(scope, receive, send):
        reached.append(scope["type"])

    async def send(message):
        sent.append(message)

    scope = {"type": kind, "path": path, "query_string": query.encode(),
             "headers": [(name.encode(), value.encode()) for name, value in headers.items()]}  # fmt: skip
    asyncio.run(OnlyWithToken(inside, TOKEN, PORT)(scope, None, send))
    return sent, bool(reached)


def test_the_token_of_the_address_becomes_a_cookie_and_leaves_the_address():
    sent, reached = answered(OWN, f"token={TOKEN}")
    assert not reached
    assert sent[0]["status"] == 200
    headers = dict(sent[0]["headers"])
    assert b'content="0;url=/plan"' in sent[1]["body"]
    assert TOKEN.encode() not in sent[1]["body"]
    assert headers[b"set-cookie"].startswith(f"graycell-{PORT}={TOKEN}; HttpOnly; SameSite=Strict".encode())


@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_whoever_has_the_cookie_gets_in(kind):
    assert answered(OWN | COOKIE, kind=kind)[1]
    assert answered({"host": "localhost:8765"} | COOKIE | {"origin": "http://localhost:8765"}, kind=kind)[1]
    others = {"cookie": 'path={"a": "b;c"}; x; ' + COOKIE["cookie"] + '; z="'}  # of other programs of this machine
    assert answered(OWN | others, kind=kind)[1]


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        (OWN, ""), (OWN, "token="), (OWN, "token=a-long-toke"), (OWN | {"cookie": f"graycell-{PORT}=other"}, ""),
        ({"host": "evil.example:8765"} | COOKIE, ""), ({"host": "evil.example"}, f"token={TOKEN}"), (COOKIE, ""),
        (OWN | COOKIE | {"origin": "http://evil.example"}, ""), (OWN | COOKIE | {"origin": "null"}, ""),
        (OWN | {"cookie": f"graycell-1={TOKEN}"}, ""),
    ],
)  # fmt: skip
def test_others_do_not(headers, query):
    sent, reached = answered(headers, query)
    assert not reached
    assert sent[0]["status"] == 403
    sent, reached = answered(headers, query, kind="websocket")
    assert not reached
    assert sent == [{"type": "websocket.close", "code": 1008}]


def test_a_socket_does_not_open_with_the_token_in_its_address():
    assert not answered(OWN, f"token={TOKEN}", kind="websocket")[1]


def test_a_request_that_is_too_large_is_refused():
    sent, reached = answered(OWN | COOKIE | {"content-length": str(10**9)})
    assert not reached
    assert sent[0]["status"] == 413

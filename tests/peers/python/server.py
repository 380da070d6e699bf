"""An MCP server made of FastMCP, behind its in-memory OAuth provider. For tests; it grants every sign-in.

    python server.py [--log FILE] [--access-token-seconds N] [--token ACCESS_TOKEN] [--port N] [--control-port N]
        [--sse] [--end-with-stdin]

Speaks the same conventions as ../node/server.mjs: one line of JSON when ready ({ url, issuer, control }), the same request log,
the same tools, and with --sse the HTTP+SSE of 2024. MCP server and authorization server are one origin here. `control` takes POST on

    /expire                  access tokens are expired. FastMCP deletes the refresh token when an expired access token comes
    /forget-access-tokens    access tokens are unknown; their refresh tokens stay good
    /forget-refresh-tokens   refresh tokens are unknown
    /forget-clients          registered clients are unknown
    /restart                 connections are cut and sessions forgotten
"""

import argparse
import asyncio
import json
import logging
import os
import socket
import sys
import time
import warnings
from collections import defaultdict
from dataclasses import dataclass
from urllib.parse import parse_qs

import uvicorn
from fastmcp import Context, FastMCP
from fastmcp.server.auth.auth import ClientRegistrationOptions, RevocationOptions
from fastmcp.server.auth.providers import in_memory
from fastmcp.server.event_store import EventStore
from mcp.types import SamplingMessage, TextContent

# Sampling, roots and logging are deprecated since 2026-07-28; hosts of the revisions before use them all the same.
warnings.filterwarnings("ignore", message=".*deprecated as of 2026-07-28")

SCOPES = ["mcp:tools"]
PATH = "/mcp"
SSE_PATH = "/sse"


class Log:
    """Writes one line of JSON at a time, to a file or to stderr."""

    def __init__(self, path: str | None):
        self.file = open(path, "a", buffering=1, encoding="utf-8") if path else sys.stderr

    def __call__(self, **entry):
        self.file.write(json.dumps(entry) + "\n")
        self.file.flush()


@dataclass
class Session:
    """What the tools need to know of one session beside what FastMCP tells them."""

    # Set when the standing GET stream is open: what is sent there before is lost.
    standing: asyncio.Event
    cancelled: asyncio.Event


class Watched:
    """ASGI wrapper: logs every request when its body is complete, and the status when the answer begins."""

    def __init__(self, app, log: Log, sessions: dict[str, Session]):
        self.app, self.log, self.sessions = app, log, sessions
        self.requests = 0

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body, more = body + message.get("body", b""), message.get("more_body", False)
        self.requests += 1
        number = self.requests
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        self.log(n=number, **describe(scope, headers, body))

        replayed = False

        async def receive_again():
            nonlocal replayed
            if replayed:
                return await receive()
            replayed = True
            return {"type": "http.request", "body": body, "more_body": False}

        async def send_watched(message):
            await send(message)
            if message["type"] == "http.response.start":
                self.log(answers=number, status=message["status"])
                if scope["method"] == "GET" and message["status"] == 200 and "last-event-id" not in headers:
                    if session := headers.get("mcp-session-id"):
                        self.sessions[session].standing.set()

        await self.app(scope, receive_again, send_watched)


def describe(scope, headers: dict[str, str], body: bytes) -> dict:
    rpc, grant_type = [], None
    if "json" in headers.get("content-type", ""):
        parsed = json.loads(body or b"null")
        messages = parsed if isinstance(parsed, list) else [parsed]
        rpc = [m.get("method", "response") for m in messages if isinstance(m, dict) and "jsonrpc" in m]
    elif "urlencoded" in headers.get("content-type", ""):
        grant_type = parse_qs(body.decode()).get("grant_type", [None])[0]
    return {
        "method": scope["method"],
        "path": scope["path"],
        "authorization": "authorization" in headers,
        "session": "mcp-session-id" in headers,
        "last_event_id": "last-event-id" in headers,
        "rpc": rpc,
        "grant_type": grant_type,
    }


@dataclass
class Answer:
    name: str


def add_tools(mcp: FastMCP, log: Log, sessions: dict[str, Session]):
    """The tools, resource and prompt of ../node/tools.mjs."""

    @mcp.tool
    async def add(a: float, b: float) -> str:
        """Adds two numbers"""
        return f"{a + b:g}"

    @mcp.tool
    async def echo(message: str) -> str:
        """Returns its input"""
        return message

    @mcp.tool
    async def ask(ctx: Context) -> str:
        """Asks the user for a name"""
        answer = await ctx.elicit("What is your name?", Answer)
        return f"{answer.action}:{answer.data.name}"

    @mcp.tool
    async def sample(prompt: str, ctx: Context) -> str:
        """Asks the model of the host"""
        await sessions[ctx.session_id].standing.wait()
        question = SamplingMessage(role="user", content=TextContent(type="text", text=prompt))
        answer = await ctx.session.create_message([question], max_tokens=10)
        return answer.content.text

    @mcp.tool
    async def roots(ctx: Context) -> str:
        """Lists the roots of the host"""
        await sessions[ctx.session_id].standing.wait()
        answer = await ctx.session.list_roots()
        return " ".join(str(root.uri) for root in answer.roots)

    @mcp.tool
    async def slow(steps: int, ctx: Context, forever: bool = False) -> str:
        """Reports progress"""
        for progress in range(1, steps + 1):
            await ctx.report_progress(progress, steps, f"step {progress}")
            await asyncio.sleep(0.005)
        if forever:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                log(event="call cancelled")
                sessions[ctx.session_id].cancelled.set()
                raise
        return f"{steps} steps"

    @mcp.tool
    async def cancelled(ctx: Context) -> str:
        """Answers once a call of `slow` was cancelled"""
        await sessions[ctx.session_id].cancelled.wait()
        return "cancelled"

    @mcp.tool
    async def notify(ctx: Context) -> str:
        """Sends notifications on both streams"""
        await ctx.session.send_log_message("info", "on the stream of the answer", related_request_id=ctx.request_id)
        await sessions[ctx.session_id].standing.wait()
        await ctx.session.send_log_message("info", "on the standing stream")
        await ctx.session.send_resource_list_changed()
        return "sent"

    @mcp.tool
    async def interrupted(ctx: Context) -> str:
        """Ends the stream of its answer before answering"""
        await ctx.session.send_log_message("info", "before the interruption", related_request_id=ctx.request_id)
        log(event="stream ended early" if ctx.request_context.close_sse_stream else "stream cannot be ended early")
        await ctx.close_sse_stream()
        await ctx.session.send_log_message("info", "after the interruption", related_request_id=ctx.request_id)
        return "resumed"

    @mcp.resource("peer://greeting", mime_type="text/plain")
    def greeting() -> str:
        """A greeting"""
        return "Hello from FastMCP"

    @mcp.prompt
    def review(code: str) -> str:
        """Asks for a review"""
        return f"Please review: {code}"


class Listener:
    """The HTTP server, which can be started anew on its port with nothing but its tokens left."""

    def __init__(self, app, port: int):
        self.app = app
        self.socket = bound(port)
        self.port = self.socket.getsockname()[1]

    async def start(self):
        config = uvicorn.Config(self.app(), log_config=None, ws="none", timeout_graceful_shutdown=1)
        self.server = uvicorn.Server(config)
        self.server.install_signal_handlers = lambda: None
        self.task = asyncio.create_task(self.server.serve(sockets=[self.socket]))
        while not self.server.started and not self.task.done():
            await asyncio.sleep(0.005)

    async def restart(self):
        for connection in list(self.server.server_state.connections):
            connection.transport.abort()
        self.server.should_exit = True
        await self.task
        self.socket = bound(self.port)
        await self.start()


def bound(port: int) -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", port))
    sock.listen(128)
    return sock


async def serve_control(port: int, actions: dict, log: Log) -> int:
    """A tiny HTTP server for the test's own requests; returns its port."""

    async def answer(reader, writer):
        path = (await reader.readline()).split()[1].decode()
        while (await reader.readline()).strip():
            pass
        action = actions.get(path)
        if action and (waiting := action()) is not None:
            await waiting
        log(event=f"control {path}" if action else f"unknown control {path}")
        status = b"204 No Content" if action else b"404 Not Found"
        writer.write(b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", port)
    return server.sockets[0].getsockname()[1]


def expire(tokens: dict):
    for token in tokens.values():
        token.expires_at = int(time.time()) - 1


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--log")
    parser.add_argument("--access-token-seconds", type=int, default=3600)
    parser.add_argument("--token")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--sse", action="store_true")
    parser.add_argument("--control-port", type=int, default=0)
    # So that no server outlives a test process that was killed.
    parser.add_argument("--end-with-stdin", action="store_true")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    log = Log(options.log)
    in_memory.DEFAULT_ACCESS_TOKEN_EXPIRY_SECONDS = options.access_token_seconds

    def new_session():
        session = Session(asyncio.Event(), asyncio.Event())
        if options.sse:
            # The event stream is the standing stream.
            session.standing.set()
        return session

    sessions = defaultdict(new_session)
    watched = Watched(None, log, sessions)
    listener = Listener(lambda: watched, options.port)
    origin = f"http://127.0.0.1:{listener.port}"
    provider = in_memory.InMemoryOAuthProvider(
        base_url=origin,
        client_registration_options=ClientRegistrationOptions(enabled=True, valid_scopes=SCOPES, default_scopes=SCOPES),
        revocation_options=RevocationOptions(enabled=True),
        required_scopes=SCOPES,
    )
    if options.token:
        given = in_memory.AccessToken(token=options.token, client_id="none", scopes=SCOPES)
        provider.access_tokens[options.token] = given
    mcp = FastMCP("fastmcp-peer", version="1.0.0", instructions="A peer for tests.", auth=provider)
    add_tools(mcp, log, sessions)

    path = SSE_PATH if options.sse else PATH

    def new_app():
        sessions.clear()
        if options.sse:
            watched.app = mcp.http_app(path=path, transport="sse")
        else:
            watched.app = mcp.http_app(path=path, event_store=EventStore(), retry_interval=20)
        return watched

    listener.app = new_app
    await listener.start()
    control = await serve_control(
        options.control_port,
        {
            "/expire": lambda: expire(provider.access_tokens),
            "/forget-access-tokens": lambda: provider.access_tokens.clear(),
            "/forget-refresh-tokens": lambda: provider.refresh_tokens.clear(),
            "/forget-clients": lambda: provider.clients.clear(),
            "/restart": listener.restart,
        },
        log,
    )
    ready = {"url": origin + path, "issuer": str(provider.issuer_url), "control": f"http://127.0.0.1:{control}"}
    print(json.dumps(ready), flush=True)
    if options.end_with_stdin:
        await asyncio.to_thread(sys.stdin.read)
        os._exit(0)
    await asyncio.Event().wait()


asyncio.run(main())

"""An MCP server of the matrix of eras, without sign-in; ../node/era-world.mjs says what it offers.

    python era_server.py --library mcp|fastmcp [--end-with-stdin]

Made of the official SDK's MCPServer, or of FastMCP. Both serve both eras at one address. Prints one line of JSON when it is
ready: { url }.
"""

import argparse
import asyncio
import json
import logging
import os
import socket
import sys

import anyio
import uvicorn
from mcp.server.lowlevel import NotificationOptions
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ResourceUpdated, ToolsListChanged
from mcp_types import (
    ElicitRequest,
    ElicitRequestFormParams,
    EmptyResult,
    InputRequiredResult,
    SubscribeRequestParams,
    SubscriptionsListenRequestParams,
    UnsubscribeRequestParams,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

PATH = "/mcp"
COUNTER = "peer://counter"
QUESTION = "What is your name?"
SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}

# Given back by the host with its answer, and sealed by the SDK.
STATE = 'asked once: "ä" / \\ =?base64?'

# Longest wait of a tool for its host, in seconds. Shorter than the host's own, so that the error says what was missing.
PATIENCE = 15


class Bus(InMemorySubscriptionBus):
    """A bus that knows when somebody listens."""

    def __init__(self, world):
        super().__init__()
        self.world = world

    def subscribe(self, listener):
        unsubscribe = super().subscribe(listener)
        self.world.heard.set()
        return unsubscribe


class World:
    """What the tools share."""

    def __init__(self):
        self.counter = 0
        self.subscribed = set()
        self.heard = asyncio.Event()
        self.ended = asyncio.Event()
        self.bus = Bus(self)


async def within(event: asyncio.Event, missing: str):
    try:
        with anyio.fail_after(PATIENCE):
            await event.wait()
    except TimeoutError:
        raise RuntimeError(missing) from None


def is_stateless(ctx) -> bool:
    """Whether the call came without a session."""
    return ctx.session.protocol_version in MODERN_PROTOCOL_VERSIONS


def add_tools(server, world: World, Context: type):
    """Adds the tools and the resource to `server`, whose tools take a `Context`."""

    @server.tool()
    async def add(a: float, b: float) -> str:
        return f"{a + b:g}"

    @server.tool()
    async def revision(ctx: Context) -> str:
        return ctx.session.protocol_version

    @server.tool()
    async def count(steps: int, ctx: Context) -> str:
        for progress in range(1, steps + 1):
            await ctx.session.report_progress(progress, steps)
        return f"{steps} steps"

    # Its result has no schema: it may be a question.
    async def ask(ctx: Context):
        if not is_stateless(ctx):
            answer = await ctx.session.elicit_form(QUESTION, SCHEMA, related_request_id=ctx.request_id)
        elif ctx.input_responses is None:
            question = ElicitRequest(params=ElicitRequestFormParams(message=QUESTION, requested_schema=SCHEMA))
            return InputRequiredResult(input_requests={"name": question}, request_state=STATE)
        elif ctx.request_state != STATE:
            raise RuntimeError(f"the state came back as {ctx.request_state}")
        else:
            answer = ctx.input_responses["name"]
        return f"{answer.action}:{answer.content['name']}"

    server.tool()(ask)

    @server.tool()
    async def change(ctx: Context) -> str:
        await within(world.heard, "no stream stands for list changes")
        server.tool(name="extra")(extra)
        if is_stateless(ctx):
            await world.bus.publish(ToolsListChanged())
        else:
            await ctx.session.send_tool_list_changed()
        return "changed"

    @server.tool()
    async def touch(ctx: Context) -> str:
        await within(world.heard, "no stream stands for updates")
        world.counter += 1
        if is_stateless(ctx):
            await world.bus.publish(ResourceUpdated(uri=COUNTER))
        elif COUNTER in world.subscribed:
            await ctx.session.send_resource_updated(COUNTER)
        return "touched"

    @server.tool()
    async def hold(ctx: Context) -> str:
        await ctx.session.report_progress(1, 2)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            world.ended.set()
            raise
        return "never"

    @server.tool()
    async def ended() -> str:
        await within(world.ended, "no call of `hold` was cancelled")
        return "ended"

    @server.resource(COUNTER, mime_type="text/plain")
    def counter() -> str:
        return str(world.counter)


async def extra() -> str:
    """New"""
    return "extra"


def add_subscriptions(low, world: World):
    """Adds resource subscriptions of sessions to a low-level server, for which neither library has more."""

    async def subscribe(ctx, params: SubscribeRequestParams) -> EmptyResult:
        world.subscribed.add(str(params.uri))
        return EmptyResult()

    async def unsubscribe(ctx, params: UnsubscribeRequestParams) -> EmptyResult:
        world.subscribed.discard(str(params.uri))
        return EmptyResult()

    low.add_request_handler("resources/subscribe", SubscribeRequestParams, subscribe)
    low.add_request_handler("resources/unsubscribe", UnsubscribeRequestParams, unsubscribe)


def mcp_app(world: World):
    from mcp.server import MCPServer
    from mcp.server.mcpserver import Context

    server = MCPServer("mcp-peer", version="1.0.0", instructions="A peer for tests.", subscriptions=world.bus)
    add_tools(server, world, Context)
    low = server._lowlevel_server
    add_subscriptions(low, world)
    # MCPServer tells sessions of no list changes, unless its low-level server does.
    options = low.create_initialization_options
    low.create_initialization_options = lambda: options(NotificationOptions(tools_changed=True))
    return server.streamable_http_app(streamable_http_path=PATH)


def fastmcp_app(world: World):
    from fastmcp import Context, FastMCP

    server = FastMCP("fastmcp-peer", version="1.0.0", instructions="A peer for tests.")
    add_tools(server, world, Context)
    low = server._mcp_server
    add_subscriptions(low, world)
    # FastMCP has no subscriptions without a session; the SDK that it is made of has.
    low.add_request_handler("subscriptions/listen", SubscriptionsListenRequestParams, ListenHandler(world.bus))
    return server.http_app(path=PATH)


def watched(app, world: World):
    """Knows when a session's standing stream is open: what is sent there before is lost."""

    async def watch(scope, receive, send):
        async def send_watched(message):
            await send(message)
            if message["type"] == "http.response.start" and message["status"] == 200 and scope["method"] == "GET":
                world.heard.set()

        await app(scope, receive, send_watched if scope["type"] == "http" else send)

    return watch


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--library", choices=["mcp", "fastmcp"], required=True)
    # So that no server outlives a test process that was killed.
    parser.add_argument("--end-with-stdin", action="store_true")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)

    world = World()
    app = mcp_app(world) if options.library == "mcp" else fastmcp_app(world)
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    sock.listen(128)
    server = uvicorn.Server(uvicorn.Config(watched(app, world), log_config=None, ws="none", lifespan="on"))
    server.install_signal_handlers = lambda: None
    serving = asyncio.create_task(server.serve(sockets=[sock]))
    while not server.started and not serving.done():
        await asyncio.sleep(0.005)
    print(json.dumps({"url": f"http://127.0.0.1:{sock.getsockname()[1]}{PATH}"}), flush=True)
    if options.end_with_stdin:
        await asyncio.to_thread(sys.stdin.read)
        os._exit(0)
    await serving


asyncio.run(main())

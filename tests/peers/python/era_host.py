"""A host of the matrix of eras: the official SDK's client starts the given command as an MCP server over stdio.

    python era_host.py --mode legacy|auto|REVISION [--env NAME=VALUE]... -- COMMAND [ARGUMENT]...

With `legacy` it opens with `initialize`; with `auto` it asks for `server/discover` first; a revision is taken as agreed without
asking. Goes through the columns of the matrix and prints what ../node/era-host.mjs prints.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import warnings
from contextlib import AsyncExitStack, asynccontextmanager

import anyio
from anyio.abc import TaskGroup
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.subscriptions import ResourceUpdated, ToolsListChanged
from mcp_types import (
    ElicitResult,
    JSONRPCNotification,
    JSONRPCResponse,
    ResourceUpdatedNotification,
    ToolListChangedNotification,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

# Resource subscriptions of sessions are deprecated since 2026-07-28; hosts of the revisions before use them all the same.
warnings.filterwarnings("ignore", message=".*2026-07-28.*")

COUNTER = "peer://counter"
QUESTION = "What is your name?"
SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
TOOLS = ["add", "ask", "change", "count", "ended", "hold", "revision", "touch"]

# Longest wait for one thing, in seconds.
TIMEOUT = 25


class Seen:
    """What the client was asked and told, and every message that came, in its order."""

    def __init__(self):
        self.questions, self.changes, self.updates, self.messages = [], 0, [], []


class Watched:
    """A stream of messages that keeps what it gives."""

    def __init__(self, stream, seen: Seen):
        self.stream, self.seen = stream, seen

    def keep(self, message):
        if isinstance(message, Exception):
            raise message
        self.seen.messages.append(message.message)
        return message

    async def receive(self):
        return self.keep(await self.stream.receive())

    def __aiter__(self):
        return self

    async def __anext__(self):
        return self.keep(await self.stream.__anext__())

    async def aclose(self):
        await self.stream.aclose()

    async def __aenter__(self):
        await self.stream.__aenter__()
        return self

    async def __aexit__(self, *error):
        return await self.stream.__aexit__(*error)


@asynccontextmanager
async def watched(transport, seen: Seen):
    async with transport as (read, write):
        yield Watched(read, seen), write


class Host:
    """A connected client with what it has seen."""

    def __init__(self, client: Client, seen: Seen, streams: AsyncExitStack, tasks: TaskGroup):
        self.client, self.seen, self.streams, self.tasks = client, seen, streams, tasks

    async def call(self, name: str, arguments: dict | None = None, progress=None) -> str:
        result = await self.client.call_tool(name, arguments or {}, progress_callback=progress)
        said = result.content[0].text
        if result.is_error:
            raise RuntimeError(f"tool `{name}` failed: {said}")
        return said

    async def tools(self) -> list[str]:
        return sorted(tool.name for tool in (await self.client.list_tools()).tools)

    async def listen(self, uri: str | None = None):
        """Asks to be told of changes of `uri`, or of the tools."""
        if self.client.protocol_version not in MODERN_PROTOCOL_VERSIONS:
            # Whoever opens with `initialize` is told of list changes unasked.
            if uri:
                await self.client.subscribe_resource(uri)
            return
        asked = {"resource_subscriptions": [uri]} if uri else {"tools_list_changed": True}
        events = await self.streams.enter_async_context(self.client.listen(**asked))
        honored = events.honored.model_dump(exclude_none=True)
        equal(honored, asked, "the honored filter")
        self.tasks.start_soon(self.hear, events)

    async def hear(self, events):
        async for event in events:
            if isinstance(event, ToolsListChanged):
                self.seen.changes += 1
            elif isinstance(event, ResourceUpdated):
                self.seen.updates.append(event.uri)


def equal(is_, expected, what: str):
    if is_ != expected:
        raise RuntimeError(f"{what} is {is_}, not {expected}")


async def until(happened, what: str):
    try:
        with anyio.fail_after(TIMEOUT):
            while not happened():
                await anyio.sleep(0.005)
    except TimeoutError:
        raise RuntimeError(f"waited in vain for {what}") from None


async def tools(host: Host):
    equal(await host.tools(), TOOLS, "the list")
    equal(await host.call("add", {"a": 2, "b": 3}), "5", "the sum")


async def progress(host: Host):
    before, told = len(host.seen.messages), []

    async def tell(done: float, total: float | None, message: str | None):
        told.append((done, total))

    equal(await host.call("count", {"steps": 3}, tell), "3 steps", "the answer")
    came = []
    for message in host.seen.messages[before:]:
        if isinstance(message, JSONRPCNotification):
            came.append(f"{message.params['progress']:g}/{message.params['total']:g}")
        elif isinstance(message, JSONRPCResponse):
            came.append("answer")
    equal(came, ["1/3", "2/3", "3/3", "answer"], "what came")
    equal(told, [(1, 3), (2, 3), (3, 3)], "what the client was told")


async def elicitation(host: Host):
    equal(await host.call("ask"), "accept:Ada", "the answer")
    [question] = host.seen.questions
    equal(question.message, QUESTION, "the question")
    schema = {name: value for name, value in question.requested_schema.items() if name != "$schema"}
    equal(schema, SCHEMA, "its schema")


async def list_change(host: Host):
    await host.listen()
    # The bridge tells one of its own where a person had to sign in first.
    before = host.seen.changes
    equal(await host.call("change"), "changed", "the answer")
    await until(lambda: host.seen.changes > before, "a list change")
    equal(await host.tools(), sorted([*TOOLS, "extra"]), "the new list")


async def subscription(host: Host):
    await host.listen(COUNTER)
    equal(host.seen.updates, [], "what was updated so far")
    equal(await host.call("touch"), "touched", "the answer")
    await until(lambda: host.seen.updates, "an update")
    equal(host.seen.updates, [COUNTER], "what was updated")
    [content] = (await host.client.read_resource(COUNTER)).contents
    equal(content.text, "1", "the new value")


async def cancellation(host: Host):
    begun = asyncio.Event()

    async def tell(done: float, total: float | None, message: str | None):
        begun.set()

    call = asyncio.create_task(host.call("hold", {}, tell))
    beginning = asyncio.create_task(begun.wait())
    await asyncio.wait([call, beginning], return_when=asyncio.FIRST_COMPLETED)
    beginning.cancel()
    call.cancel()
    await asyncio.wait([call])
    equal(call.cancelled(), True, "that the call was cancelled")
    equal(await host.call("ended"), "ended", "the answer")


COLUMNS = {
    "tools": tools,
    "progress": progress,
    "elicitation": elicitation,
    "list change": list_change,
    "subscription": subscription,
    "cancellation": cancellation,
}


def tell(**line):
    print(json.dumps(line), flush=True)


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mode", required=True)
    parser.add_argument("--env", action="append", default=[])
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    command, *args = options.command
    seen = Seen()

    async def answer(_context, question) -> ElicitResult:
        seen.questions.append(question)
        return ElicitResult(action="accept", content={"name": "Ada"})

    async def hear(message):
        # Changes in a session; those of a listen stream come to who listens.
        if client.protocol_version in MODERN_PROTOCOL_VERSIONS:
            return
        if isinstance(message, ToolListChangedNotification):
            seen.changes += 1
        elif isinstance(message, ResourceUpdatedNotification):
            seen.updates.append(str(message.params.uri))

    with tempfile.TemporaryFile("w+") as errors:
        environment = dict(pair.split("=", 1) for pair in options.env)
        server = StdioServerParameters(command=command, args=args, env=environment)
        client = Client(
            watched(stdio_client(server, errlog=errors), seen),
            mode=options.mode,
            read_timeout_seconds=TIMEOUT,
            elicitation_callback=answer,
            message_handler=hear,
        )
        async with client, anyio.create_task_group() as tasks, AsyncExitStack() as streams:
            host = Host(client, seen, streams, tasks)
            for column, run in COLUMNS.items():
                try:
                    await run(host)
                    tell(column=column, error=None)
                except Exception as error:
                    tell(column=column, error=str(error) or repr(error))
            try:
                revision = await host.call("revision")
            except Exception as error:
                revision = str(error)
            tell(host=client.protocol_version, server=revision, changes=seen.changes, updates=len(seen.updates))
        errors.seek(0)
        tell(stderr=errors.read())


asyncio.run(main())

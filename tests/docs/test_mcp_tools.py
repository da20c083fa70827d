"""The block of docs/use-the-library.md for an MCP server's tools, with the real package and a server of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.architecture.tree import ROOT
from tests.docs.pages import blocks

if TYPE_CHECKING:
    from pathlib import Path

PAGE = (ROOT / "docs" / "use-the-library.md").read_text(encoding="utf-8")
SERVER = """
import asyncio
import mcp
from mcp.server import MCPServer
from mcp.server.mcpserver import Image

server = MCPServer("weather")


@server.tool()
def look(city: str) -> list:
    "Look at a city."
    if city == "Atlantis":
        raise ValueError("no such city")
    return [f"It is warm in {city}", Image(data=b"PNG", format="png")]


async def main() -> None:
    async with mcp.Client(server) as client:
        (tool,) = await tools_of(client)
        print(tool.definition.name, tool.definition.description, list(tool.definition.json_schema["properties"]))
        text, image = await tool.call('{"city": "Rome"}')
        print(text.text, image.source.data)
        try:
            await tool.call('{"city": "Atlantis"}')
        except ToolError as error:
            print("error:", error)


asyncio.run(main())
"""


@pytest.mark.heavy
def test_the_tools_of_a_server_are_listed_called_and_fail_as_ours_do(tmp_path: Path) -> None:
    packages = tmp_path / "packages"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(packages), "mcp>=2.3,<3"]
    subprocess.run(pip, check=True, timeout=500)
    (block,) = (block for block in blocks(PAGE, "python") if "from mcp import" in block)
    program = tmp_path / "program.py"
    program.write_text(block + SERVER, encoding="utf-8")
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join([str(packages), str(ROOT / "src")])}
    ran = subprocess.run(
        [sys.executable, program], env=variables, capture_output=True, text=True, timeout=60, check=True
    )
    assert ["look Look at a city. ['city']", "It is warm in Rome b'PNG'"] == ran.stdout.splitlines()[:2]
    assert ran.stdout.splitlines()[2].startswith("error: Error executing tool look")

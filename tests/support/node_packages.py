"""Packages of npm that `tests/install_node_packages.sh` has put into the virtual environment."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = Path(sys.prefix) / "node/node_modules"
COMPILER = MODULES / "typescript/bin/tsc"

REACT = {
    "react.js": "react/cjs/react.production.js",
    "react-dom.js": "react-dom/cjs/react-dom.production.js",
    "react-dom-client.js": "react-dom/cjs/react-dom-client.production.js",
    "scheduler.js": "scheduler/cjs/scheduler.production.js",
}
"""The files of React by the names under which docs/examples/react.html finds them."""

_REQUIRED = re.compile(r'require\("([^"]+)"\)')
_EXPORTED = re.compile(r"^\s*exports\.(\w+) =", re.MULTILINE)


def path_of(name: str) -> Path:
    """A file below `node_modules`; the test is skipped where it was not installed."""
    path = MODULES / name
    if not path.exists():
        pytest.skip(f"{name} is not installed: tests/install_node_packages.sh")
    return path


def tsc(*arguments: str | Path) -> list[str]:
    """What the TypeScript compiler says, line by line: nothing where all is well."""
    node = shutil.which("node")
    compiler = path_of("typescript/bin/tsc")
    if node is None:
        pytest.skip("Node is not installed")
    command = [node, compiler, "--pretty", "false", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert not done.stderr, done.stderr
    return done.stdout.splitlines()


def react_module(name: str) -> str:
    """A file of `REACT` as an ES module: React comes as CommonJS, which bundlers understand and browsers don't."""
    return _as_module(path_of(REACT[name]).read_text())


def _as_module(source: str) -> str:
    required = sorted(set(_REQUIRED.findall(source)))
    exported = sorted(set(_EXPORTED.findall(source)))
    imports = [f'import * as module{index} from "./{name}.js";' for index, name in enumerate(required)]
    table = ", ".join(f'"{name}": module{index}' for index, name in enumerate(required))
    return "\n".join(
        [
            *imports,
            "const exports = {};",
            f"((require) => {{\n{source}\n}})((name) => ({{{table}}})[name]);",
            f"export const {{ {', '.join(exported)} }} = exports;",
        ]
    )

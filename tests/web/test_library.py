"""docs/LIBRARY.md says everything that web/lib offers, its examples run, and what tsc makes of web/lib fits them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.async_api import Page

from tests.support import node_packages
from tests.web.fake_server import SESSION_ID, FakeServer, chat_message, guest_request, participant, session

ROOT = Path(__file__).resolve().parents[2]
LIB = ROOT / "web/lib"
DOCUMENT = (ROOT / "docs/LIBRARY.md").read_text()
ORIGIN = "https://live.example.org"
INDEX = f"{ORIGIN}/lib/index.js"

EXAMPLES = re.findall(r"^```js\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
IMPORT = re.compile(rf'^import \{{ (.+) \}} from "{re.escape(INDEX)}";\n', re.MULTILINE)
METHOD = re.compile(r"^  (?:async |get )?([a-z]\w*)\(.*\) \{$", re.MULTILINE)
MEMBER = re.compile(r"^  (?:get )?([a-z]\w*)(?:\(\) \{| = .+;)$", re.MULTILINE)
INNER = {"constructor", "taps"}
"""What the parts of a room need of each other."""


def read(name: str) -> str:
    return (LIB / name).read_text()


def exports() -> list[str]:
    return [
        name.strip()
        for names in re.findall(r"^export \{ (.+) \} from", read("index.js"), re.M)
        for name in names.split(",")
    ]


def events() -> list[str]:
    typedef = read("events.js").split("@typedef {object} RoomEvents")[1].split("*/")[0]
    return re.findall(r"^ \* @property \{.+?\} ([a-z]+)(?: |$)", typedef, re.MULTILINE)


def methods(*files: str) -> list[str]:
    return sorted({name for file in files for name in METHOD.findall(read(file))} - INNER)


def codes() -> list[str]:
    thrown = {
        code for path in LIB.glob("*.js") for code in re.findall(r'GreenroomError\("([a-z_]+)"', path.read_text())
    }
    opening = set(re.findall(r'\["(device_[a-z]+)", ', read("devices.js")))
    closing = set(re.findall(r'^  \[\d{4}, "([a-z_]+)"\]', read("signaling.js"), re.MULTILINE))
    return sorted(thrown | opening | closing)


@pytest.mark.parametrize(
    "names",
    [exports(), events(), methods("room.js", "verbs.js"), methods("api.js"), MEMBER.findall(read("state.js"))],
    ids=["exports", "events", "room", "api", "state"],
)
def test_everything_is_documented(names: list[str]) -> None:
    assert len(names) > 5
    assert [name for name in names if not re.search(rf"`[^`\n]*\b{name}\b[^`\n]*`", DOCUMENT)] == []


def test_every_error_is_explained() -> None:
    assert len(codes()) > 15
    explained = DOCUMENT + (ROOT / "docs/API.md").read_text()
    assert [code for code in codes() if f"`{code}`" not in explained] == []


def program(index: str, origin: str, session_id: str) -> str:
    """All examples as one module: the first makes `room`, the others use it, each in a scope of its own."""
    names = sorted({name for example in EXAMPLES for names in IMPORT.findall(example) for name in names.split(", ")})
    first, *others = (IMPORT.sub("", example) for example in EXAMPLES)
    blocks = [first, *(f"{{\n{example}}}\n" for example in others)]
    socket = origin.replace("http", "ws", 1)
    body = "\n".join(blocks).replace(ORIGIN, origin).replace(ORIGIN.replace("https", "wss"), socket)
    given = f"const sessionId = {json.dumps(session_id)};\nconst token = 'the-token';\n"
    return f'import {{ {", ".join(names)} }} from "{index}";\n{given}{body}window.done = true;\n'


EXPECTED = {
    "request_guest", "publish_offer", "respond_guest_request", "invite_guest", "update_settings", "mute_all",
    "send_message", "react", "send_gift", "get_stats",
}  # fmt: skip


@pytest.mark.asyncio(loop_scope="session")
async def test_examples_run(page: Page, server: FakeServer, far_end: Page) -> None:
    server.as_person("Hana", "host", [participant("Vera", "viewer")], requests=[guest_request("Ana")])
    server.welcome["messages"] = [chat_message(3)]
    server.welcome["more_messages"] = True
    server.replies |= {
        "request_guest": lambda _: {"type": "guest_request_created", "request": guest_request("Hana")},
        "invite_guest": lambda _: {
            "type": "guest_request_created",
            "request": guest_request("Vera", kind="invitation"),
        },
        "mute_all": lambda _: {"type": "muted", "muted": 2},
        "send_message": lambda message: {
            "type": "message",
            "message": chat_message(4, message["text"], client_id=message["client_id"]),
        },
        "send_gift": lambda _: {"type": "gift_sent", "gift": {"id": "g"}},
        "get_stats": lambda _: {"type": "stats", "connections": []},
    }
    server.rest["messages"] = lambda _: {"messages": [chat_message(2)], "more": False}
    said: list[str] = []
    page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
    # A page of no policy that forbids scripts in it.
    await page.goto(f"{server.url}/examples/lib/index.js")
    await page.add_script_tag(type="module", content=program("/lib/index.js", server.url, SESSION_ID))
    await page.wait_for_function("window.done")
    assert set(server.received) >= EXPECTED
    assert "log: 2 were muted" in said
    assert "log: 4 2" in said, "the message is stored behind the one that is known"
    assert "log: live: " + session()["id"] in said
    assert not [line for line in said if line.startswith("error")]


MISUSE = {
    'room.publish("kamera")': "Argument of type",
    "room.approve(7)": "Argument of type",
    'room.addEventListener("rolechange", ({ detail }) => detail.too)': "Property 'too' does not exist",
    "room.state.session.title": "possibly 'null'",
    'room.manageParticipant("p", "praise")': "Argument of type",
    "(await room.requestToJoin()).state": "Property 'state' does not exist",
    "room.whatever()": "Property 'whatever' does not exist",
    'room.addEventListener("roleChange", () => {})': "is not assignable to parameter of type 'keyof RoomEvents'",
    'room.addEventListener("publisherror", ({ detail }) => detail.kode)': "Property 'kode' does not exist",
    'room.addEventListener("ended", ({ detail }) => detail.stats.lenght)': "Property 'lenght' does not exist",
}
"""What an editor has to object to, and how."""


def test_declarations_fit_the_examples_and_nothing_else(tmp_path: Path) -> None:
    assert node_packages.tsc("--project", "tsconfig.types.json", "--outDir", tmp_path / "lib") == []
    (tmp_path / "right.ts").write_text(
        program("./lib/index.js", ORIGIN, SESSION_ID).replace("window.done = true;\n", "")
    )
    wrong = [f"export const mistake{number} = async () => {use};" for number, use in enumerate(MISUSE)]
    (tmp_path / "wrong.ts").write_text(
        "\n".join(['import { Room } from "./lib/index.js";', "const room = new Room();", *wrong])
    )
    (tmp_path / "tsconfig.json").write_text(
        json.dumps(
            {
                "extends": str(ROOT / "tsconfig.json"),
                "compilerOptions": {"checkJs": False},
                "files": ["right.ts", "wrong.ts"],
                "include": [],
            }
        )
    )
    complaints = node_packages.tsc("--project", tmp_path)
    assert [line for line in complaints if "wrong.ts" not in line] == []
    for number, (use, objection) in enumerate(MISUSE.items(), start=3):
        assert any(f"wrong.ts({number}," in line and objection in line for line in complaints), f"{use}: {complaints}"

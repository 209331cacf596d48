"""The structure that the rest relies on: which way imports run, what pure packages may know, what tests are for."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("sfu", "signaling", "control_api")

# Each may import itself and what stands to its right.
WORKER_LAYERS = ("sfu.worker", "sfu.net", "sfu.media", "sfu.cc", "sfu.rtp")

SIGNALING_MAY_IMPORT = (
    "sfu.worker.client",
    "sfu.worker.pool",
    "sfu.worker.messages",
    "sfu.rtp.parameters",
    "sfu.rtp.canonical",
)
PURE_PACKAGES = ("sfu/rtp", "sfu/cc", "sfu/media")
IMPURE_MODULES = {"time", "asyncio", "socket", "random", "secrets", "threading", "datetime", "os"}
# What the control process must not load just to talk to a worker: the engine and everything below it.
CLIENT_SIDE = ("sfu/worker/client.py", "sfu/worker/pool.py", "sfu/worker/messages.py", "sfu/worker/channel.py")
CLIENT_SIDE_MAY_IMPORT = ("sfu.worker.channel", "sfu.worker.client", "sfu.worker.messages", "sfu.rtp.parameters")


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> set[str]:
    """Absolute names of all modules that a file imports; `from x import y` counts as x and x.y."""
    package = module_name(path).split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            name = ".".join([*base, *([node.module] if node.module else [])])
            found |= {name} | {f"{name}.{alias.name}" for alias in node.names}
    return found


def inside(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def ours(path: Path) -> set[str]:
    """Imported modules and packages of this project that exist as files or folders."""
    return {
        name
        for name in imports(path)
        if name.split(".")[0] in PACKAGES
        and ((ROOT / name.replace(".", "/")).is_dir() or (ROOT / f"{name.replace('.', '/')}.py").is_file())
    }


@pytest.mark.parametrize("path", sources("sfu"), ids=module_name)
def test_the_media_plane_imports_one_way(path):
    layer = next((layer for layer in WORKER_LAYERS if inside(module_name(path), layer)), None)
    allowed = WORKER_LAYERS[WORKER_LAYERS.index(layer) :] if layer else ()
    for name in ours(path):
        assert name == "sfu" or any(inside(name, package) for package in allowed), f"{module_name(path)} imports {name}"


@pytest.mark.parametrize("path", sources("signaling"), ids=module_name)
def test_signaling_knows_workers_by_their_client_side_only(path):
    for name in ours(path):
        is_package_prefix = any(inside(allowed, name) for allowed in SIGNALING_MAY_IMPORT)
        allowed = inside(name, "signaling") or name in SIGNALING_MAY_IMPORT or is_package_prefix
        assert allowed, f"{module_name(path)} imports {name}"


@pytest.mark.parametrize("path", [ROOT / name for name in CLIENT_SIDE], ids=module_name)
def test_the_client_side_of_a_worker_does_not_load_the_media_plane(path):
    for name in ours(path):
        is_package_prefix = any(inside(allowed, name) for allowed in CLIENT_SIDE_MAY_IMPORT)
        assert name in CLIENT_SIDE_MAY_IMPORT or is_package_prefix, f"{module_name(path)} imports {name}"


@pytest.mark.parametrize("path", sources(*PURE_PACKAGES), ids=module_name)
def test_pure_packages_have_no_clock_socket_or_chance(path):
    forbidden = {name for name in imports(path) if name.split(".")[0] in IMPURE_MODULES}
    assert not forbidden, f"{module_name(path)} imports {sorted(forbidden)}"


@pytest.mark.parametrize("path", sources("sfu/media", "sfu/rtp", "sfu/cc"), ids=module_name)
def test_the_hot_path_is_synchronous(path):
    awaiting = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.AsyncFunctionDef)]
    assert not awaiting


def test_only_one_file_touches_private_names_of_aiortc():
    users = {module_name(path) for path in sources(*PACKAGES) if any(inside(n, "aiortc") for n in imports(path))}
    assert users == {"sfu.net.dtls"}


def test_only_the_sdp_side_of_signaling_and_nothing_in_the_media_plane_knows_sdp():
    for path in sources("sfu"):
        assert not any("sdp" in name.split(".") for name in imports(path)), module_name(path)


def test_the_browser_library_has_no_dom():
    for path in sorted((ROOT / "web/lib").glob("*.js")):
        text = path.read_text()
        # Whether the page is seen is no element of it.
        assert not re.search(r"\bdocument\??\.(?!hidden|addEventListener|removeEventListener)", text), path.name
        assert "../ui/" not in text, path.name


@pytest.mark.parametrize("path", sorted((ROOT / "tests/unit").rglob("test_*.py")), ids=lambda path: path.name)
def test_every_unit_test_mirrors_a_module(path):
    folder = path.parent.relative_to(ROOT / "tests/unit")
    name = path.stem.removeprefix("test_")
    top = [folder] if str(folder).split("/")[0] in PACKAGES else [Path("sfu") / folder, folder]
    candidates = [base for parent in top for base in (ROOT / parent / f"{name}.py", ROOT / parent / name)]
    assert any(candidate.exists() for candidate in candidates), f"no module for {path.relative_to(ROOT)}"

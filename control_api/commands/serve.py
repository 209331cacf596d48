"""`greenroom serve`: the server."""

from __future__ import annotations

import argparse
import logging

from control_api.settings import Settings

from .options import add_settings, secrets_help, wide_help, without_effect

logger = logging.getLogger(__name__)


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "serve",
        help="run the server until Ctrl-C",
        description="Run the server until Ctrl-C. The environment variables in brackets do the same as the options.",
        epilog=secrets_help(),
        formatter_class=wide_help,
    )
    add_settings(parser, Settings.model_fields)
    parser.set_defaults(run=run)


async def run(settings: Settings, arguments: argparse.Namespace) -> int:
    from control_api.server import serve

    for remark in without_effect():
        logger.warning(remark)
    return await serve(settings)

"""Session descriptions (RFC 8866) as values: a bounded parser and a writer. Knows nothing of rooms."""

from .errors import SdpError
from .model import (
    Candidate,
    Direction,
    ExtMap,
    Group,
    MediaDescription,
    PayloadFormat,
    Rid,
    SessionDescription,
    Setup,
    SsrcAttribute,
    SsrcGroup,
)
from .parse import MAX_SECTIONS, parse
from .write import write

__all__ = [
    "MAX_SECTIONS",
    "Candidate",
    "Direction",
    "ExtMap",
    "Group",
    "MediaDescription",
    "PayloadFormat",
    "Rid",
    "SdpError",
    "SessionDescription",
    "Setup",
    "SsrcAttribute",
    "SsrcGroup",
    "parse",
    "write",
]

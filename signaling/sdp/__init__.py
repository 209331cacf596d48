"""Session descriptions (RFC 8866) as values: a bounded parser and a writer. Knows nothing of rooms."""

from .errors import SdpError

__all__ = ["SdpError"]

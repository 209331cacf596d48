"""What is raised for a session description that can't be used."""

from __future__ import annotations


class SdpError(ValueError):
    """A description is malformed, or not usable here. The message is a sentence for the person who sent it."""

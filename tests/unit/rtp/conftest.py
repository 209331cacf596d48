"""Hypothesis measures each example against a deadline; on a busy machine that fails tests for being slow, not wrong."""

from hypothesis import settings

settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")

"""Congestion control. Pure: `now` is always a parameter."""

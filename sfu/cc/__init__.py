"""Congestion control. Pure: `now` is a parameter."""

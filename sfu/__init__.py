"""The media plane: one worker process per core. Knows no SDP, JWT, HTTP or SQL."""

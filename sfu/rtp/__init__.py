"""Bytes <-> values: RTP headers and extensions, RTCP, feedback, payload headers. Pure: no clock, socket or asyncio."""

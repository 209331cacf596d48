"""The HTTP side: the listener and its limits, the REST API as a table, the WebSocket, the page's files."""

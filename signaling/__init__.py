"""Live rooms: participants, roles, permissions, offers and answers, the WebSocket."""

"""The PostgreSQL that comes along: its folder, its process, its life."""

"""Composition root: REST routes, auth, storage, embedded Postgres, static files, command line."""

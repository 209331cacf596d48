"""The worker process, its channel to the control process, and the parent's client and pool."""

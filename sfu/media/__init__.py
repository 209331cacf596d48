"""Producers, consumers, the fan-out table and the packet cache. Pure and synchronous."""

"""The load generator: clients light enough that the server is what saturates, scenarios, and comparisons."""

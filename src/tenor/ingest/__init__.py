"""Data coming in: people's files, services on the network, and how fresh the lake is.

Nothing is imported here: asking how fresh a lake is must need no HTTP client.
"""

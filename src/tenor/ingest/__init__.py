"""Data that comes in: users' files, services on the network, and how fresh the lake is.

Nothing is imported here, because asking how fresh a lake is must not need an HTTP client.
"""

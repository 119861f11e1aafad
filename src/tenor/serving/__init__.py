"""Forecasts for others: what a refresh publishes on a board, and the service, page and monitor that read it.

Nothing is imported here: what reads a board (`board`, `view`, `answers`) needs the standard library alone.
"""

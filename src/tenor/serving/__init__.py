"""Published forecasts, and the service, dashboard and monitor that read them.

Nothing is imported here: what reads them (`published`, `view`, `schemas`, `keys`) needs the standard library alone.
"""

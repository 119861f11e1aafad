"""Published forecasts, and the service, dashboard and monitor that read them.

Nothing is imported here. The modules that read them (`published`, `view`, `schemas`, `keys`) need only the standard
library.
"""

"""Services that have dates of events. Each module here is one service, with one subclass of `EventSource`."""

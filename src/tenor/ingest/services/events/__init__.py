"""Services that have dates of events: each module here is one, with one subclass of `EventSource`."""

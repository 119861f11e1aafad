"""Services that have bars: each module here is one, with one subclass of `PriceSource`."""

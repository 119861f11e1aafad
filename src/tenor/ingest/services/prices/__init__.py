"""Services that have bars. Each module here is one service, with one subclass of `PriceSource`."""

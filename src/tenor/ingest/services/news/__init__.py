"""Services that have news. Each module here is one service, with one subclass of `NewsSource`."""

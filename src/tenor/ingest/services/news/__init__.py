"""Services that have news: each module here is one, with one subclass of `NewsSource`."""

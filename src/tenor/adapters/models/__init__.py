"""One file an adapter: `ADAPTER` says which package it is of, and how its model is loaded and asked."""

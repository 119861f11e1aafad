"""Storage: objects in a folder or bucket, and files that are written completely or not at all."""

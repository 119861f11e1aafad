"""Where bytes are kept: objects in a folder or a bucket, and files that are written whole or not at all."""

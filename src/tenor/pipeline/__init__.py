"""What the commands do, from the lake to a result: one file a verb."""

"""What the commands do, from the lake to a result; one module for each command."""

"""One file per adapter: `ADAPTER` names the package, and says how its model is loaded."""

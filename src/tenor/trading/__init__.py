"""Paper trading: positions by a stated rule, a journal of them, and orders for a paper account at Alpaca."""

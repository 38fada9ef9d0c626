"""Market data: the state of the market as derived from events."""

"""History: orders, trades and candles in the database `market_data`."""

"""PostgreSQL: the store of trades, candles, gaps and watermarks."""

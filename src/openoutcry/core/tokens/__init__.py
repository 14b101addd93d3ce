"""Tokens, pure: order of the chain, prices, windows, and the naive model that the store agrees with."""

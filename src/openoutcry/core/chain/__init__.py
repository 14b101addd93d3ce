"""A chain of the Ethereum kind, as values: hexadecimal, logs, and which block follows which."""

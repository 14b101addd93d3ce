"""The only code that awaits the network."""

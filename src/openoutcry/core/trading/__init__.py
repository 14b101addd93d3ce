"""Execution: events and an account in, orders, fills and what else changed out. Pure."""

"""Valkey: the bus between the roles."""

"""The schema and every query on a real TimescaleDB."""

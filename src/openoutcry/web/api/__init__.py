"""The REST API: Litestar on Granian."""

"""The store's schema, step by step; run with `outcry db upgrade`."""

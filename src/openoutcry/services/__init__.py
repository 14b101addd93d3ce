"""One short loop per role: read, call the core, write."""

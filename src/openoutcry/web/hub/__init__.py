"""The WebSocket hub: a sans-IO protocol in a picows shell."""

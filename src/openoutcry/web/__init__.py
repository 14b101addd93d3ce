"""What browsers and bots connect to: the REST API and the WebSocket hub."""

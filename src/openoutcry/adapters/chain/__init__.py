"""Nodes of a chain: JSON-RPC over HTTP and WebSocket, with failover."""

"""The hub: one process that tells every open WebSocket what changes, as it changes.

`protocol` and `channels` are the rules, `outbox` and `fanout` the machinery, `sources` and `market`
what is said, `server` the sockets.
"""

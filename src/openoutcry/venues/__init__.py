"""Exchange protocols as sans-IO objects: bytes in, events and bytes to send out."""

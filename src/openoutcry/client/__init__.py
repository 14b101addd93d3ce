"""A client of the hub: channels of a running OpenOutcry as one stream of messages.

    from openoutcry.client import ApiKey, Client

    async with Client("ws://localhost:8001", ApiKey("ok_…")) as client:
        client.subscribe("user", "price:BTCUSDT")
        async for message in client:
            print(message.type, message.data)

It comes back by itself, and then goes on where it was. See docs/python_client.md.
"""

from openoutcry.client.credentials import ApiKey, Credentials, SignIn
from openoutcry.client.errors import ClientError, HubClosedError, SignInError
from openoutcry.client.messages import Message
from openoutcry.client.stream import Client

__all__ = [
    "ApiKey",
    "Client",
    "ClientError",
    "Credentials",
    "HubClosedError",
    "Message",
    "SignIn",
    "SignInError",
]

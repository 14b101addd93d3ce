"""One connection's conversation: commands in, answers and subscriptions out.

The answers about one channel come in the order of the commands, also while its snapshot is read.
While it is found out who the client is, everything it sends waits for that.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Final

from msgspec import Struct

from openoutcry.errors import NotFoundError, StoreUnavailableError, UnauthorizedError
from openoutcry.services.identity import Identity
from openoutcry.web.hub import protocol, wire
from openoutcry.web.hub.channels import Channel
from openoutcry.web.hub.fanout import Client, Fanout
from openoutcry.web.hub.feeds import Feed
from openoutcry.web.hub.guard import Badge, Guard
from openoutcry.web.hub.market import Market
from openoutcry.web.hub.private import Private, UserFeed
from openoutcry.web.hub.protocol import Auth, CloseCode, Id, Ping, Refusal, Subscribe, Unsubscribe

PATIENCE: Final = 64
"""How often a client may go on asking past its limit before it is closed."""


class Rules(Struct, frozen=True):
    """What a client may: how many subscriptions, and whether market data needs no sign-in.

    A `guest`, a page of an origin in `public_origins`, may hear the public counter and cannot sign in.
    """

    max_subscriptions: int = protocol.MAX_SUBSCRIPTIONS
    public: bool = True
    guest: bool = False


class Desk(Struct, frozen=True):
    """What all conversations of a hub share. `clock` returns µs since 1970."""

    fanout: Fanout
    market: Market
    private: Private
    guard: Guard
    clock: Callable[[], int]
    rules: Rules = Rules()


class Session:
    """What one client has asked for. `close` closes its connection."""

    def __init__(
        self,
        client: Client,
        desk: Desk,
        *,
        close: Callable[[CloseCode], None],
        credential: str | None = None,
    ) -> None:
        self._client = client
        self._fanout = desk.fanout
        self._market = desk.market
        self._private = desk.private
        self._guard = desk.guard
        self._clock = desk.clock
        self._rules = desk.rules
        self._limit = desk.rules.max_subscriptions
        self._close = close
        self._credential = credential
        self._badge = Badge(close)
        self._patience = PATIENCE
        self._stopped = False
        self._feeds: dict[Channel, Feed | UserFeed] = {}
        self._waiting: dict[Channel, deque[Subscribe | Unsubscribe]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._held: deque[bytes] | None = None
        """What came while it is found out who the client is; None: that is not so."""

    def start(self, name: str, ping: float) -> None:
        """Say hello; find out who came with a credential."""
        self._send(protocol.connected(name, self._market.symbols, ping, self._stamp()))
        if self._credential is not None:
            self._sign_in(self._credential, None)
            self._credential = None

    def receive(self, payload: bytes) -> None:
        """Take one text message of the client."""
        if self._held is None:
            self._take(payload)
        elif len(self._held) < self._limit:
            self._held.append(payload)
        else:
            self._close(CloseCode.BAD_PROTOCOL)

    def stop(self) -> None:
        """Let go of everything; the connection is gone."""
        self._stopped = True
        for task in self._tasks:
            task.cancel()
        for channel, feed in self._feeds.items():
            self._release(channel, feed)
        self._feeds.clear()
        self._waiting.clear()
        self._held = None
        self._guard.forget(self._badge)

    def _take(self, payload: bytes) -> None:
        command = protocol.parse(payload, self._market.symbols)
        if isinstance(command, Refusal):
            self._send(protocol.error(command, self._stamp()))
        elif isinstance(command, Ping):
            self._send(protocol.pong(command, self._stamp()))
        elif isinstance(command, Auth):
            if self._rules.guest:
                self._refuse(protocol.guests_may_not(None, command.id))
            else:
                self._sign_in(command.token, command)
        elif (waiting := self._waiting.get(command.channel)) is None:
            self._execute(command)
        elif len(waiting) < self._limit:
            waiting.append(command)
        else:
            self._close(CloseCode.BAD_PROTOCOL)

    # --- who it is --------------------------------------------------------------------------------

    def _sign_in(self, credential: str, command: Auth | None) -> None:
        self._held = deque()
        self._begin(self._identify(credential, command))

    async def _identify(self, credential: str, command: Auth | None) -> None:
        id_ = command.id if command else None
        try:
            identity = await self._guard.identify(credential)
        except UnauthorizedError as error:
            self._refuse(Refusal("unauthorized", str(error), id=id_))
            self._fanout.flush()  # the reason goes out before the code
            self._close(CloseCode.INVALID_TOKEN)
            return
        except StoreUnavailableError:
            if command is None:
                self._close(CloseCode.UNAVAILABLE)
                return
            problem = "The token cannot be checked just now; try again in a few seconds."
            self._refuse(Refusal("unavailable", problem, id=id_))
        else:
            self._let_in(identity, id_)
        held, self._held = self._held or deque(), None
        while held and not self._stopped:
            self._take(held.popleft())
            self._hold_back(held)

    def _hold_back(self, messages: deque[bytes]) -> None:
        """Let messages wait if there was another sign-in among those before them."""
        if self._held is not None:
            self._held.extend(messages)
            messages.clear()

    def _let_in(self, identity: Identity, id_: Id) -> None:
        before = self._badge.identity
        if before is not None and before.user.id != identity.user.id:
            problem = "This connection is another user's; open one of your own."
            self._refuse(Refusal("other_user", problem, id=id_))
            return
        self._guard.let_in(self._badge, identity)
        user, until = identity.user, identity.until
        expires = None if until == float("inf") else wire.timestamp(int(until * 1e6))
        who = (user.id, user.name, user.role.value)
        self._send(protocol.authenticated(id_, who, expires, self._stamp()))

    # --- subscriptions ----------------------------------------------------------------------------

    def _execute(self, command: Subscribe | Unsubscribe) -> None:
        refusal = protocol.decide(command, self._feeds.keys(), self._limit)
        if isinstance(command, Subscribe):
            identity = self._badge.identity
            refusal = refusal or protocol.may_not(
                command,
                signed_in=identity is not None,
                public=self._rules.public,
                guest=self._rules.guest,
            )
        if refusal is not None:
            self._refuse(refusal)
        elif isinstance(command, Unsubscribe):
            self._release(command.channel, self._feeds.pop(command.channel))
            self._send(protocol.unsubscribed(command, self._stamp()))
        else:
            self._subscribe(command)

    def _subscribe(self, command: Subscribe) -> None:
        channel = command.channel
        feed = self._feeds.get(channel)
        if feed is None:
            feed = self._feeds[channel] = self._acquire(channel)
        if isinstance(feed, UserFeed):
            # What it says from here on is in the answer.
            self._private.leave(feed, self._client)
            self._wait(channel, self._start_private(command, feed))
        elif feed.loaded:
            self._join(command, feed)
        else:
            self._wait(channel, self._open(command, feed))

    def _wait(self, channel: Channel, opening: Coroutine[Any, Any, None]) -> None:
        self._waiting[channel] = deque()
        self._begin(opening)

    async def _open(self, command: Subscribe, feed: Feed) -> None:
        try:
            await self._market.opened(feed)
        except StoreUnavailableError:
            self._give_up(command, feed)
        except NotFoundError as error:
            self._give_up(command, feed, Refusal("unknown_token", str(error)))
        else:
            self._join(command, feed)
        self._go_on(command.channel)

    async def _start_private(self, command: Subscribe, feed: UserFeed) -> None:
        try:
            start = await self._private.start(feed, self._client, command)
        except StoreUnavailableError:
            self._give_up(command, feed)
        else:
            self._private.join(feed, self._client, start)
        self._go_on(command.channel)

    def _give_up(
        self, command: Subscribe, feed: Feed | UserFeed, why: Refusal | None = None
    ) -> None:
        del self._feeds[command.channel]
        self._release(command.channel, feed)
        if why is None:
            refusal = protocol.unavailable(command)
        else:
            refusal = Refusal(why.code, why.message, command.channel.name, command.id)
        self._send(protocol.error(refusal, self._stamp()))

    def _go_on(self, channel: Channel) -> None:
        """Do what was asked about a channel while its snapshot was read."""
        waiting = self._waiting.pop(channel, deque())
        while waiting and not self._stopped:
            next_command = waiting.popleft()
            self._execute(next_command)
            if next_command.channel in self._waiting:
                self._waiting[next_command.channel].extend(waiting)
                break

    def _join(self, command: Subscribe, feed: Feed) -> None:
        # Leaving first: what this turn has brought goes out before the snapshot, which has it.
        self._fanout.leave(self._client, feed.topic)
        snapshot = self._market.snapshot(feed)
        self._send(protocol.subscribed(command, snapshot, self._stamp()))
        self._fanout.join(self._client, feed.topic)

    def _acquire(self, channel: Channel) -> Feed | UserFeed:
        identity = self._badge.identity
        if channel.private and identity is not None:
            return self._private.acquire(identity.user.id)
        return self._market.acquire(channel)

    def _release(self, channel: Channel, feed: Feed | UserFeed) -> None:
        if isinstance(feed, UserFeed):
            self._private.release(feed, self._client)
        else:
            self._fanout.leave(self._client, feed.topic)
            self._market.release(channel)

    def _refuse(self, refusal: Refusal) -> None:
        self._send(protocol.error(refusal, self._stamp()))
        if refusal.code == "too_many_subscriptions":
            self._patience -= 1
            if self._patience < 0:
                self._close(CloseCode.TOO_MANY_SUBSCRIPTIONS)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _send(self, message: bytes) -> None:
        self._fanout.send(self._client, wire.text_frame(message))

    def _stamp(self) -> str:
        return wire.timestamp(self._clock())

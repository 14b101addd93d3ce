"""A made-up trading account behind the dashboard: bots, orders, fills and a log, over REST and the hub.

It keeps the books only as far as pages show them. Every change is a numbered message, kept, so that
a tab that comes back can have what it missed.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

from aiohttp import web

EPOCH = "stand-in"
CURRENCY = "USDT"


def _parameter(name: str, kind: str, about: str, **more: Any) -> dict[str, Any]:
    needed = more.pop("required", False)
    plain = {"name": name, "type": kind, "choices": [], "required": needed, "default": None}
    return {**plain, "description": about, **more}


STRATEGIES = [
    {
        "name": "scalper",
        "summary": "Buys at one price and sells at a higher one, round and round.",
        "parameters": [
            _parameter("quantity", "decimal", "How much, in base units.", required=True),
            _parameter("buy_price", "decimal", "Buy at this price or lower.", required=True),
            _parameter("sell_price", "decimal", "Sell at this price or higher.", required=True),
            _parameter(
                "first_order",
                "choice",
                "BUY to begin with a purchase, SELL to begin with what you have.",
                choices=["BUY", "SELL"],
                default="BUY",
            ),
            _parameter("trailing_percent", "decimal", "Follow the price for as long as it helps."),
            _parameter(
                "infinite_loop", "boolean", "Begin again after each round.", default="false"
            ),
        ],
    },
    {
        "name": "dca",
        "summary": "Buys for the same amount every so often, whatever the price is.",
        "parameters": [
            _parameter("amount", "decimal", "How much to spend each time.", required=True),
            _parameter("every_minutes", "integer", "Minutes from one to the next.", default="60"),
        ],
    },
]

Publish = Callable[[str], Awaitable[None]]


class Floor:
    """One account. Attributes may be read from any thread; it is changed in the server's own."""

    def __init__(self) -> None:
        self.bots: dict[int, dict[str, Any]] = {}
        self.orders: dict[str, dict[str, Any]] = {}
        self.fills: list[dict[str, Any]] = []
        self.logs: list[dict[str, Any]] = []
        self.balances = {"USDT": Decimal(100_000), "BTC": Decimal(1), "ETH": Decimal(10)}
        self.kill_switch = False
        self.broken = False
        self.funded: list[dict[str, str]] = []
        self.messages: list[dict[str, Any]] = []
        self.forgotten = 0
        """Messages up to this offset are no longer kept."""
        self.publish: Callable[[dict[str, Any]], Awaitable[None]] | None = None
        self._ids = itertools.count(1)

    # --- what the hub says ------------------------------------------------------------------------

    def start(self, offset: Any, epoch: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Return the answer to a subscription, and the messages that follow it."""
        here = len(self.messages)
        if epoch == EPOCH and isinstance(offset, int) and self.forgotten <= offset <= here:
            return {"recovered": True, "offset": offset, "epoch": EPOCH}, self.messages[offset:]
        data = {
            "bots": list(self.bots.values()),
            "orders": [o for o in self.orders.values() if o["status"] == "PENDING"],
            "logs": self.logs[:50],
            "balances": self._balances(),
        }
        return {"recovered": False, "offset": here, "epoch": EPOCH, "data": data}, []

    async def tell(self, kind: str, data: dict[str, Any]) -> None:
        """Number a message, keep it and publish it."""
        numbered = {"offset": len(self.messages) + 1, "epoch": EPOCH, "timestamp": now()}
        message = {"type": kind, "channel": "user", "data": data, **numbered}
        self.messages.append(message)
        if self.publish is not None:
            await self.publish(message)

    # --- what happens -----------------------------------------------------------------------------

    async def make_bot(self, said: dict[str, Any]) -> dict[str, Any]:
        """Add a bot."""
        number = next(self._ids)
        bot = {
            "id": number,
            "name": said.get("name") or f"{said['strategy']} {said['ticker']}",
            "strategy": said["strategy"],
            "exchange": said.get("exchange", "paper"),
            "ticker": said["ticker"],
            "status": said.get("status", "STOPPED"),
            "parameters": said.get("parameters", {}),
            "limits": said.get("limits") or {},
            "leverage": said.get("leverage", "1"),
            "pnl": "0",
            "realized_pnl": "0",
            "fees": "0",
            "position": {"quantity": "0", "cost": "0", "average_price": None, "loan": "0"},
            "total_trades": 0,
            "win_rate": None,
            "last_fill_price": None,
            "last_fill_side": None,
            "last_fill_at": None,
            "created_at": now(),
            "updated_at": now(),
        }
        self.bots[number] = bot
        await self.tell("bot_created", dict(bot))
        return bot

    async def change_bot(self, number: int, **change: Any) -> dict[str, Any]:
        """Change a bot."""
        bot = self.bots[number] = {**self.bots[number], **change, "updated_at": now()}
        await self.tell("bot_update", dict(bot))
        return bot

    async def place(self, number: int, side: str, price: str, quantity: str) -> dict[str, Any]:
        """Let a bot place a limit order."""
        bot = self.bots[number]
        count = sum(order["bot_id"] == number for order in self.orders.values())
        order = {
            "client_order_id": f"oo-{number}-{count}",
            "bot_id": number,
            "ticker": bot["ticker"],
            "side": side,
            "type": "LIMIT",
            "status": "PENDING",
            "quantity": quantity,
            "price": price,
            "filled_quantity": "0",
            "average_price": None,
            "fee": "0",
            "reason": None,
            "paired_order": None,
            "exchange_order_id": None,
            "created_at": now(),
            "updated_at": now(),
        }
        self.orders[order["client_order_id"]] = order
        await self.tell("order_update", dict(order))
        return order

    async def fill(self, order_id: str, at: str | None = None) -> None:
        """Fill an order whole, and keep its bot's books."""
        at = at or now()
        order = self.orders[order_id]
        price, quantity = Decimal(order["price"]), Decimal(order["quantity"])
        bot = self.bots[order["bot_id"]]
        held, cost = (Decimal(bot["position"][name]) for name in ("quantity", "cost"))
        fee, realized = price * quantity / 1000, Decimal(0)
        if order["side"] == "BUY":
            held, cost = held + quantity, cost + price * quantity
        else:
            share = cost * quantity / held if held else Decimal(0)
            realized, held, cost = price * quantity - share, held - quantity, cost - share
        order = self.orders[order_id] = {
            **order,
            "status": "FILLED",
            "filled_quantity": order["quantity"],
            "average_price": order["price"],
            "fee": plain(fee),
            "updated_at": at,
        }
        names = ("client_order_id", "bot_id", "ticker", "side", "price", "quantity")
        fill = {name: order[name] for name in names}
        fill |= {"fee": plain(fee), "realized_pnl": plain(realized), "time": at}
        self.fills.insert(0, fill)
        all_realized = Decimal(bot["realized_pnl"]) + realized
        fees = Decimal(bot["fees"]) + fee
        results = {
            "pnl": plain(all_realized - fees),
            "realized_pnl": plain(all_realized),
            "fees": plain(fees),
            "position": {
                "quantity": plain(held),
                "cost": plain(cost),
                "average_price": plain(cost / held) if held else None,
                "loan": "0",
            },
            "total_trades": bot["total_trades"] + 1,
            "win_rate": "100" if all_realized > 0 else bot["win_rate"],
        }
        last = {"last_fill_price": order["price"], "last_fill_side": order["side"]}
        self.bots[bot["id"]] = {**bot, **results, **last, "last_fill_at": at}
        await self.tell("order_filled", {"order": order, "fill": fill})
        told = {"bot_id": bot["id"], "ticker": bot["ticker"], **results}
        await self.tell("pnl_update", told)
        await self.tell("bot_update", self.bots[bot["id"]])

    async def log(self, level: str, message: str, bot_id: int | None = None) -> None:
        """Write a line of the activity log."""
        entry = {"id": len(self.logs) + 1, "level": level, "message": message, "bot_id": bot_id}
        self.logs.insert(0, {**entry, "timestamp": now()})
        await self.tell("log_created", self.logs[0])

    # --- the API ----------------------------------------------------------------------------------

    def routes(self, who: Callable[[web.Request], str | None]) -> list[web.RouteDef]:
        """Return the routes; `who` says who asks."""

        def guarded(work: Callable[[web.Request], Awaitable[Any]]) -> Any:
            async def handle(request: web.Request) -> web.Response:
                if who(request) is None:
                    return refuse(401, "Sign in first.")
                if self.broken:
                    return refuse(503, "The store does not answer. Try again in a moment.")
                answer = await work(request)
                return answer if isinstance(answer, web.Response) else web.json_response(answer)

            return handle

        bot, orders = "/api/v1/bots/{id}", "/api/v1/orders"
        return [
            web.get("/api/v1/strategies", guarded(self._strategies)),
            web.get("/api/v1/bots", guarded(self._bots)),
            web.post("/api/v1/bots", guarded(self._make)),
            web.put(bot, guarded(self._edit)),
            web.delete(bot, guarded(self._remove)),
            web.post(bot + "/clone", guarded(self._clone)),
            web.post(bot + "/{what:start|stop|toggle}", guarded(self._turn)),
            web.get(orders, guarded(self._orders)),
            web.post(orders + "/{id}/cancel", guarded(self._cancel)),
            web.get("/api/v1/fills", guarded(self._fills)),
            web.get("/api/v1/logs", guarded(self._logs)),
            web.get("/api/v1/portfolio", guarded(self._portfolio)),
            web.get("/api/v1/analytics/summary", guarded(self._summary)),
            web.get("/api/v1/analytics/pnl", guarded(self._curve)),
            web.post("/api/v1/kill-switch", guarded(self._kill)),
            web.post("/api/v1/portfolio/funds", guarded(self._fund)),
        ]

    async def _strategies(self, _: web.Request) -> Any:
        return {"strategies": STRATEGIES}

    async def _bots(self, _: web.Request) -> Any:
        return {"bots": list(reversed(self.bots.values())), "next": None}

    async def _make(self, request: web.Request) -> Any:
        said = await request.json()
        if problem := _problem(said):
            return refuse(400, problem)
        return web.json_response(await self.make_bot(said), status=201)

    async def _edit(self, request: web.Request) -> Any:
        said = await request.json()
        number = int(request.match_info["id"])
        if problem := _problem({"strategy": self.bots[number]["strategy"], **said}):
            return refuse(400, problem)
        return await self.change_bot(number, **said)

    async def _remove(self, request: web.Request) -> Any:
        number = int(request.match_info["id"])
        del self.bots[number]
        await self.tell("bot_deleted", {"id": number})
        return {"id": number}

    async def _clone(self, request: web.Request) -> Any:
        bot = self.bots[int(request.match_info["id"])]
        keep = ("strategy", "ticker", "parameters", "limits", "leverage")
        said = {name: bot[name] for name in keep}
        live = bot["exchange"] != "paper"
        if live and not (request.can_read_body and (await request.json()).get("live")):
            return refuse(400, "A bot that trades with real money: say that it is meant.")
        said["exchange"] = bot["exchange"]
        made = await self.make_bot({**said, "name": f"{bot['name']} copy"})
        return web.json_response(made, status=201)

    async def _turn(self, request: web.Request) -> Any:
        number, what = int(request.match_info["id"]), request.match_info["what"]
        running = self.bots[number]["status"] == "ACTIVE"
        wanted = not running if what == "toggle" else what == "start"
        if wanted and self.kill_switch:
            return refuse(409, "The kill switch is on: reset it first.")
        bot = await self.change_bot(number, status="ACTIVE" if wanted else "STOPPED")
        await self.log("INFO", "Started." if wanted else "Stopped.", number)
        return bot

    async def _orders(self, request: web.Request) -> Any:
        rows = self._wanted(request, reversed(self.orders.values()), "status")
        return _page(request, rows, "orders")

    async def _fills(self, request: web.Request) -> Any:
        return _page(request, self._wanted(request, self.fills), "fills")

    async def _logs(self, request: web.Request) -> Any:
        return _page(request, self._wanted(request, self.logs, "level"), "logs")

    def _wanted(self, request: web.Request, rows: Any, *names: str) -> list[dict[str, Any]]:
        query = request.query
        names = ("bot_id", *names)
        return [row for row in rows if all(str(row[n]) == query[n] for n in names if n in query)]

    async def _cancel(self, request: web.Request) -> Any:
        number = request.match_info["id"]
        change = {"status": "CANCELLED", "reason": "cancelled by its user", "updated_at": now()}
        order = self.orders[number] = {**self.orders[number], **change}
        await self.tell("order_update", dict(order))
        return order

    async def _kill(self, request: web.Request) -> Any:
        self.kill_switch = (await request.json())["on"]
        running = [n for n, bot in self.bots.items() if bot["status"] == "ACTIVE"]
        waiting = [n for n, order in self.orders.items() if order["status"] == "PENDING"]
        if not self.kill_switch:
            await self.log("INFO", "The kill switch is off; bots may be started.")
            return {"on": False, "bots_stopped": 0, "orders_cancelled": 0}
        for number in running:
            await self.change_bot(number, status="STOPPED")
        for name in waiting:
            order = self.orders[name] = {**self.orders[name], "status": "CANCELLED"}
            await self.tell("order_update", dict(order))
        await self.log("WARNING", f"The kill switch is on: {len(running)} bots stopped.")
        return {"on": True, "bots_stopped": len(running), "orders_cancelled": len(waiting)}

    async def _fund(self, request: web.Request) -> Any:
        said = await request.json()
        self.funded.append(said)
        asset, amount = said["asset"], Decimal(said["amount"])
        if self.balances.get(asset, Decimal(0)) + amount < 0:
            return refuse(400, f"Only {plain(self.balances[asset])} {asset} can be taken out.")
        self.balances[asset] = self.balances.get(asset, Decimal(0)) + amount
        await self.log("INFO", f"{said['amount']} {asset} put into the paper account.")
        return await self._portfolio(request)

    def _balances(self) -> list[dict[str, Any]]:
        return [
            {"asset": asset, "free": plain(amount), "locked": "0"}
            for asset, amount in self.balances.items()
        ]

    async def _portfolio(self, _: web.Request) -> Any:
        prices = {"USDT": Decimal(1), "BTC": Decimal(61_837), "ETH": Decimal(3_412)}
        worth = {asset: amount * prices[asset] for asset, amount in self.balances.items()}
        balances = [
            {**row, "price": plain(prices[row["asset"]]), "value": plain(worth[row["asset"]])}
            for row in self._balances()
        ]
        held = [
            {
                "bot_id": bot["id"],
                "bot_name": bot["name"],
                "ticker": bot["ticker"],
                **{name: bot["position"][name] for name in ("quantity", "cost", "average_price")},
                "price": None,
                "value": None,
                "unrealized_pnl": None,
            }
            for bot in self.bots.values()
            if Decimal(bot["position"]["quantity"])
        ]
        return {
            "currency": CURRENCY,
            "equity": plain(sum(worth.values(), Decimal(0))),
            "unpriced": [],
            "kill_switch": self.kill_switch,
            "balances": balances,
            "positions": held,
            "loans": [],
        }

    async def _summary(self, _: web.Request) -> Any:
        bots = list(self.bots.values())
        sums = {
            name: plain(sum((Decimal(bot[name]) for bot in bots), Decimal(0)))
            for name in ("pnl", "realized_pnl", "fees")
        }
        return {
            "currency": CURRENCY,
            "equity": "195957",
            **sums,
            "unrealized_pnl": None,
            "win_rate": "61.5",
            "total_trades": sum(bot["total_trades"] for bot in bots),
            "bots": len(bots),
            "active_bots": sum(bot["status"] == "ACTIVE" for bot in bots),
            "open_orders": 0,
            "other_tickers": [],
        }

    async def _curve(self, request: web.Request) -> Any:
        points, equity, earned, fees = [], [], Decimal(0), Decimal(0)
        since = request.query.get("from", "")
        for count, fill in enumerate(reversed(self.fills), 1):
            earned += Decimal(fill["realized_pnl"])
            fees += Decimal(fill["fee"])
            if fill["time"] < since:
                continue
            sums = {"realized_pnl": plain(earned), "fees": plain(fees), "total_trades": count}
            points.append({"time": fill["time"], "pnl": plain(earned - fees), **sums})
            worth = plain(195_957 + earned - fees)
            equity.append({"time": fill["time"], "equity": worth, "unrealized_pnl": "0"})
        ends = {"start": equity[0]["time"] if equity else now(), "end": now()}
        return {"bot_id": None, "currency": CURRENCY, **ends, "points": points, "equity": equity}


async def furnish(floor: Floor) -> None:
    """Fill the account with something to look at: six bots, three days of fills, a log."""
    scalper = {"quantity": "0.05", "buy_price": "61200", "sell_price": "62400"}
    plans: list[tuple[str, str, str, str, dict[str, Any]]] = [
        ("Night scalper", "scalper", "BTCUSDT", "ACTIVE", {**scalper, "infinite_loop": True}),
        ("Weekend range", "scalper", "ETHUSDT", "ACTIVE", {**scalper, "buy_price": "3390"}),
        ("Savings plan", "dca", "BTCUSDT", "ACTIVE", {"amount": "100", "every_minutes": 60}),
        ("Old grid", "scalper", "SOLUSDT", "STOPPED", scalper),
        ("Leveraged try", "scalper", "SOLUSDT", "ERROR", scalper),
        ("Scalper PEPEUSDT", "scalper", "PEPEUSDT", "STOPPED", scalper),
    ]
    for name, strategy, ticker, status, parameters in plans:
        said = {"name": name, "strategy": strategy, "ticker": ticker, "parameters": parameters}
        await floor.make_bot({**said, "status": status})
    begun = dt.datetime.now(dt.UTC) - dt.timedelta(days=3)
    for step in range(160):
        number = (1, 2, 1, 4)[step // 2 % 4]
        price = {1: 61_400, 2: 3_395, 4: 147}[number] * (1 + 0.002 * ((step * 7919) % 11 - 5) / 5)
        side = "BUY" if step % 2 == 0 else "SELL"
        told = f"{price * (1.0 if side == 'BUY' else 1.0021):.2f}"
        order = await floor.place(number, side, told, {1: "0.05", 2: "0.8", 4: "12"}[number])
        moment = begun + dt.timedelta(minutes=27 * step)
        await floor.fill(order["client_order_id"], stamp(moment))
    for number, at, size in ((1, "61391.50", "0.05"), (2, "3391.1", "0.8")):
        order = await floor.place(number, "BUY", at, size)
        await floor.fill(order["client_order_id"])
    await floor.place(1, "SELL", "62400", "0.05")
    await floor.place(2, "SELL", "3460", "0.8")
    lines = (
        ("INFO", "Started.", 1),
        ("WARNING", "BUY 0.8 ETH at 3390 would be worth 2712: more than the limit of 2000.", 2),
        ("ERROR", "Stopped: the loan would be worth more than the position.", 5),
        ("INFO", "Bought 0.05 BTC at 61391.50.", 1),
        ("DEBUG", "The next purchase is in 60 minutes.", 3),
    )
    for level, message, bot in lines:
        await floor.log(level, message, bot)


def now() -> str:
    """Return the time as the hub writes it."""
    return stamp(dt.datetime.now(dt.UTC))


def stamp(moment: dt.datetime) -> str:
    """Return a time as the hub writes it."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def plain(number: Decimal) -> str:
    """Return an amount without an exponent and needless zeros."""
    text = f"{number.quantize(Decimal('1e-12')):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def refuse(status: int, message: str) -> web.Response:
    """Return an error in the API's shape."""
    return web.json_response({"success": False, "message": message}, status=status)


def _problem(said: dict[str, Any]) -> str | None:
    """Return what is wrong with a scalper's prices, in the API's words."""
    parameters = said.get("parameters", {})
    if said.get("exchange", "paper") != "paper" and not said.get("live"):
        return "A bot that trades with real money: say that it is meant."
    if said["strategy"] != "scalper":
        return None
    buy, sell = parameters["buy_price"], parameters["sell_price"]
    if Decimal(sell) > Decimal(buy):
        return None
    return f"sell_price {sell} must be above buy_price {buy}, or every round loses money."


def _page(request: web.Request, rows: list[dict[str, Any]], name: str) -> dict[str, Any]:
    """Return one page; `before` counts the rows that have been seen."""
    first, most = int(request.query.get("before", "0")), int(request.query.get("limit", "100"))
    following = str(first + most) if len(rows) > first + most else None
    return {name: rows[first : first + most], "next": following}

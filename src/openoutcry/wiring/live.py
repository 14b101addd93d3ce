"""Live trading: what places a trader's orders at an exchange."""

from __future__ import annotations

from functools import partial

from openoutcry.adapters.ccxt_exchange import CcxtExchange, has_ccxt
from openoutcry.adapters.postgres.pool import Pool
from openoutcry.adapters.postgres.trading_accounts import trading_epoch
from openoutcry.config import Settings, live_address
from openoutcry.errors import ConfigError
from openoutcry.services.accounts import secret_of
from openoutcry.services.exchange_keys import ExchangeKeys
from openoutcry.services.live_orders import Exchange, LiveOrders, LiveRules
from openoutcry.services.trader import Live


async def live_orders(settings: Settings, pool: Pool) -> Live:
    """Return what makes the executor of live orders. Raises ConfigError where ccxt is missing."""
    if not has_ccxt():
        raise ConfigError("Live trading needs ccxt: pip install 'openoutcry[live]'.")
    keys = ExchangeKeys(pool, partial(secret_of, pool, settings.secret_key))
    url = live_address(settings)

    async def opener(user_id: int, exchange: str) -> Exchange | None:
        opened = await keys.open(user_id, exchange)
        if opened is None:
            return None
        return await CcxtExchange.open(exchange, opened.key, opened.secret, url)

    rules = LiveRules(
        epoch=await trading_epoch(pool),
        stale=settings.live_stale_seconds,
        send=settings.live_send_seconds,
    )
    return partial(LiveOrders, opener, keys.mark, rules)

#!/bin/sh
# Ask OpenOutcry in Binance's words with nothing but curl. Usage: curl.sh [SYMBOL]
#
# Streams with websocat:
#   websocat -n ws://127.0.0.1:8001/ws/btcusdt@trade
#   websocat -n 'ws://127.0.0.1:8001/stream?streams=btcusdt@kline_1m/btcusdt@bookTicker'
#   echo '{"method":"SUBSCRIBE","params":["btcusdt@trade"],"id":1}' | websocat -n ws://127.0.0.1:8001/ws
set -eu

API=${API:-http://127.0.0.1:8000}
SYMBOL=${1:-BTCUSDT}

get() {
    curl --silent --show-error --fail-with-body "$API/api/v3/$1"
    echo
}

get ping
get time
get "klines?symbol=$SYMBOL&interval=1m&limit=3"
get "trades?symbol=$SYMBOL&limit=3"
get "aggTrades?symbol=$SYMBOL&limit=3"
get "ticker/24hr?symbol=$SYMBOL"
get "ticker?symbol=$SYMBOL&windowSize=1h"
get "ticker/price"
get "ticker/bookTicker?symbol=$SYMBOL"
get "avgPrice?symbol=$SYMBOL"

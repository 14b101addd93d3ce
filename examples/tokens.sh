#!/bin/sh
# Asks a running `make demo-tokens` for its busiest token, its price, and to confirm its newest trade.
set -eu
api=${OUTCRY_API:-http://localhost:8000}

field() { # the value at a path in the JSON on standard input
    python3 -c 'import functools, json, sys
print(functools.reduce(lambda at, key: at[int(key) if key.isdigit() else key], sys.argv[1].split("."), json.load(sys.stdin)))' "$1"
}

token=$(curl -fsS "$api/api/tokens/top?window=24h&limit=1" | field data.tokens.0.address)
trade=$(curl -fsS "$api/api/tokens/$token/trades?limit=1")
hash=$(printf %s "$trade" | field data.trades.0.txHash)
side=$(printf %s "$trade" | field data.trades.0.side)
body="{\"txHash\":\"$hash\",\"tokenAddress\":\"$token\",\"tradeType\":\"$side\"}"

set -x
curl -sS "$api/api/trades/price/$token"
echo
curl -sS "$api/api/trades/confirm" -H 'Content-Type: application/json' -d "$body"
{ set +x; } 2>/dev/null
echo

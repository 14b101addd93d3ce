#!/bin/sh
# Asks a running `make demo-tokens` for its busiest token, its price, and to confirm its newest trade.
set -eu
API=${API:-http://localhost:8000}

field() { # the value at a path in the JSON on standard input
    python3 -c 'import functools, json, sys
print(functools.reduce(lambda at, key: at[int(key) if key.isdigit() else key], sys.argv[1].split("."), json.load(sys.stdin)))' "$1"
}

ask() { # shows what is asked, to be copied, and what is answered
    printf '$ curl -sS' >&2
    for word; do
        case $word in *[!A-Za-z0-9:/._-]*) word="'$word'" ;; esac
        printf ' %s' "$word" >&2
    done
    echo >&2
    curl -sS "$@"
    echo
}

top=$(curl -fsS "$API/api/tokens/top?window=24h&limit=1")
token=$(printf %s "$top" | field data.tokens.0.address)
trade=$(curl -fsS "$API/api/tokens/$token/trades?limit=1")
hash=$(printf %s "$trade" | field data.trades.0.txHash)
side=$(printf %s "$trade" | field data.trades.0.side)

ask "$API/api/trades/price/$token"
ask "$API/api/trades/confirm" -H 'Content-Type: application/json' \
    -d "{\"txHash\":\"$hash\",\"tokenAddress\":\"$token\",\"tradeType\":\"$side\"}"

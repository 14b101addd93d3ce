#!/usr/bin/env bash
# Put a month of Binance's public bulk files into the store: 1m klines, so that charts reach back.
#
#   examples/import_history.sh BTCUSDT 2026-01
#   KIND=trades examples/import_history.sh BTCUSDT 2026-01        # every trade; large
#
# It may run beside `outcry up`, and twice: what is stored already stays as it is.
# BULK names another server with the same layout, OUTCRY another outcry command.
set -euo pipefail

symbol=${1:?usage: import_history.sh SYMBOL YYYY-MM}
month=${2:?usage: import_history.sh SYMBOL YYYY-MM}
bulk=${BULK:-https://data.binance.vision/data/spot/monthly}

case ${KIND:-klines} in
  klines) folder=klines/$symbol/1m name=$symbol-1m-$month ;;
  trades) folder=trades/$symbol name=$symbol-trades-$month ;;
  aggTrades) folder=aggTrades/$symbol name=$symbol-aggTrades-$month ;;
  *) echo "KIND is one of klines, trades, aggTrades." >&2; exit 2 ;;
esac

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"
curl -fsSLO "$bulk/$folder/$name.zip"
curl -fsSLO "$bulk/$folder/$name.zip.CHECKSUM"
sha256sum --check --quiet "$name.zip.CHECKSUM"   # a download cut short must not look like a quiet day

${OUTCRY:-outcry} import "$name.zip" --symbol "$symbol"

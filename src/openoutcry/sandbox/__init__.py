"""An exchange on localhost that speaks Binance's protocol and can be told to misbehave."""

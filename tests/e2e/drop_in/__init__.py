"""The proof that OpenOutcry is a drop-in: other people's clients, unmodified but for the base URL.

A real recording is replayed by the sandbox exchange; OpenOutcry records it. Every call is made at
both places, and what a client parses has to equal what plain Python makes of the recording. Where the
two places differ by nature, the test that shows it says so; it is only this:

- an aggregate's id: OpenOutcry's is its first trade's, the sandbox counts from 1 (Binance's own number
  is in neither: the recording has none). OpenOutcry keeps the newest back for half a second of the
  market's time, which is over with the recording: there it never comes.
- the market's time: the sandbox's is the last event's, OpenOutcry's the newest that it has heard.
- best prices that were never recorded (ETHUSDT here): OpenOutcry has the quote, without sizes; the
  sandbox makes up a book one tick wide.
- the weight that one address may spend.
- `@bookTicker`: the sandbox plays every message, OpenOutcry the newest of each tenth of a second.
"""

"""Coverage: for which stretches of time nothing can be missing from the candles."""

from __future__ import annotations

from msgspec import Struct

from openoutcry.core.intervals import SECOND


class Span(Struct, frozen=True):
    """Venue times `start`..`end` (µs) of which everything is stored.

    `base` is the finest stored interval that the span is good for, in seconds: 0 for trades, 60 for
    imported one-minute klines, which say nothing of the seconds in between.
    """

    base: int
    start: int
    end: int


class Coverage(Struct, frozen=True):
    """One instrument's spans, and the times (µs, start and end) of its suspected gaps."""

    spans: tuple[Span, ...] = ()
    gaps: tuple[tuple[int, int], ...] = ()

    def covers(self, start: int, end: int, base: int) -> bool:
        """Return whether start..end (µs, end exclusive) is known whole from rows of `base` µs."""
        if any(low < end and start <= high for low, high in self.gaps):
            return False
        reached = start
        for span in self._usable(base):
            if span.start > reached:
                return False
            reached = max(reached, span.end)
            if reached >= end:
                return True
        return False

    def reach(self, start: int, base: int) -> int:
        """Return how far everything from `start` on is known from rows of `base` µs.

        That is the latest end (µs) for which `covers` is true; `start` itself if nothing is known.
        """
        reached = start
        for span in self._usable(base):
            if span.start > reached:
                break
            reached = max(reached, span.end)
        gaps = (low for low, high in self.gaps if high >= start)
        return max(start, min(reached, *gaps, reached))

    def last(self, base: int) -> int:
        """Return the end of the newest span that rows of `base` µs can rest on; 0 for none."""
        return max((span.end for span in self._usable(base)), default=0)

    def _usable(self, base: int) -> list[Span]:
        usable = [span for span in self.spans if span.base * SECOND <= base]
        return sorted(usable, key=lambda span: span.start)


def changed_since(old: Coverage, new: Coverage) -> int | None:
    """Return a time (µs) before which both know the same; None if they do everywhere."""
    changed = [low for low, _ in set(old.gaps) ^ set(new.gaps)]
    ends = {(span.base, span.start): span.end for span in old.spans}
    for span in new.spans:
        end = ends.pop((span.base, span.start), span.start)
        if end != span.end:
            changed.append(min(end, span.end))
    changed += [start for _, start in ends]
    return min(changed, default=None)

"""What becomes of what is wrong: one thing after another, and any course of events."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from openoutcry.core import alerts as core
from openoutcry.core.alerts import Alert, Condition, Event, Severity, due, fold, heard, message_id

SECOND = 1_000_000
REPEAT = 60.0
CALM = 10.0


def condition(subject: str = "postgres", after: float = 10.0, value: float = 1.0) -> Condition:
    """Return something that is wrong."""
    said = f"{subject} is out"
    return Condition("engine_down", subject, Severity.CRITICAL, said, value, 0, after)


def looks(
    *seconds: int, wrong: tuple[int, ...]
) -> tuple[dict[str, Alert], list[tuple[int, Event]]]:
    """Look at these seconds; at those in `wrong` something is. Return the end and the changes."""
    alerts: dict[str, Alert] = {}
    changed = []
    for second in seconds:
        found = [condition()] if second in wrong else []
        alerts, changes = fold(alerts, found, second * SECOND, calm=CALM)
        changed += [(second, change.event) for change in changes]
    return alerts, changed


def test_a_short_trouble_is_none() -> None:
    """What is right again before its time is forgotten, and waits from the start the next time."""
    alerts, changes = looks(0, 5, 9, 12, 15, wrong=(0, 5, 12, 15))
    assert changes == []
    assert alerts["engine_down/postgres"].since == 12 * SECOND


def test_it_fires_when_it_has_held_for_long_enough() -> None:
    """Exactly once, after exactly its time."""
    alerts, changes = looks(0, 5, 10, 15, 20, wrong=(0, 5, 10, 15, 20))
    assert changes == [(10, Event.FIRING)]
    assert alerts["engine_down/postgres"].state == "firing"


def test_it_is_over_when_it_has_been_calm() -> None:
    """A moment of calm is not the end; ten seconds are."""
    _, changes = looks(0, 10, 15, 18, 20, 29, 30, wrong=(0, 10, 18, 20))
    assert changes == [(10, Event.FIRING), (30, Event.RESOLVED)]


def test_what_cannot_be_seen_stays() -> None:
    """While a rule is blind its alerts neither begin nor end."""
    alerts, _ = looks(0, 10, wrong=(0, 10))
    alerts, changes = fold(alerts, [], 100 * SECOND, calm=CALM, blind={"engine_down"})
    assert (changes, alerts["engine_down/postgres"].state) == ([], "firing")


def test_what_is_told_when() -> None:
    """At once when it fires, again after the time to repeat it, never if that is 0, and its end."""
    alerts, _ = looks(0, 10, wrong=(0, 10))
    (alert,) = alerts.values()
    assert due(alert, 10 * SECOND, REPEAT) is Event.FIRING
    told = heard(core.trying(alert), Event.FIRING, 10 * SECOND)
    assert told is not None
    assert due(told, 69 * SECOND, REPEAT) is None
    assert due(told, 70 * SECOND, REPEAT) is Event.FIRING
    assert due(told, 10_000 * SECOND, 0) is None
    alerts, _ = fold({"engine_down/postgres": told}, [], 80 * SECOND, calm=CALM)
    (ended,) = alerts.values()
    assert due(ended, 80 * SECOND, REPEAT) is Event.RESOLVED
    assert heard(ended, Event.RESOLVED, 80 * SECOND) is None


def test_messages_have_names_of_their_own() -> None:
    """A message that is sent again has its name; its repetition and its end have others."""
    alerts, _ = looks(0, 10, wrong=(0, 10))
    (alert,) = alerts.values()
    told = heard(alert, Event.FIRING, 10 * SECOND)
    assert told is not None
    names = [
        message_id(alert, Event.FIRING),
        message_id(core.trying(alert), Event.FIRING),
        message_id(told, Event.FIRING),
        message_id(told, Event.RESOLVED),
    ]
    assert names[0] == names[1]
    assert len(set(names)) == 3


def test_who_was_not_told_need_not_hear_the_end() -> None:
    """An alert of which nobody can have heard is forgotten when it is over."""
    alerts, _ = looks(0, 10, wrong=(0, 10))
    after, changes = fold(alerts, [], 60 * SECOND, calm=CALM)
    assert (after, [change.event for change in changes]) == ({}, [Event.RESOLVED])
    tried = {key: core.trying(alert) for key, alert in alerts.items()}
    after, _ = fold(tried, [], 60 * SECOND, calm=CALM)
    assert [each.state for each in after.values()] == ["resolved"]


@example(
    [(1, True, True, ""), (10, True, True, "ok"), (10, False, True, "lost"), (1, True, True, "")]
)
@given(
    st.lists(
        st.tuples(
            st.integers(1, 30),  # seconds until the next look
            st.booleans(),  # whether it is wrong then
            st.booleans(),  # whether the rule can see
            st.sampled_from(["", "ok", "lost"]),  # what the webhook does afterwards
        ),
        max_size=60,
    )
)
def test_whoever_listens_knows_the_truth(steps: list[tuple[int, bool, bool, str]]) -> None:
    """Whatever happens, once nothing is due the listener knows exactly what is firing.

    A lost message may have been heard all the same, so an alert that was tried is told to be over.
    """
    alerts: dict[str, Alert] = {}
    now, knows = 0, False
    for pause, wrong, sees, webhook in steps:
        now += pause * SECOND
        conditions = [condition()] if wrong and sees else []
        alerts, _ = fold(alerts, conditions, now, calm=CALM, blind=() if sees else ("engine_down",))
        if conditions and (known := alerts["engine_down/postgres"]).firing:
            assert now - known.since >= 10 * SECOND
        for key, alert in list(alerts.items()):
            event = due(alert, now, REPEAT)
            if event is None or not webhook:
                continue
            alerts[key] = core.trying(alert)
            # The worst case of a lost answer: it was heard, and we do not know.
            knows = event is Event.FIRING
            if webhook == "ok":
                after = heard(alerts[key], event, now)
                if after is None:
                    del alerts[key]
                else:
                    alerts[key] = after
        if not any(due(alert, now, REPEAT) for alert in alerts.values()):
            assert knows is any(alert.state == "firing" for alert in alerts.values())

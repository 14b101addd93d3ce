"""One tree of errors; each says whether trying again can help."""


class OutcryError(Exception):
    """Root of every error that OpenOutcry raises on purpose.

    `retry` tells the caller whether the same call may succeed later: decisions to retry read this
    attribute, never the text.
    """

    retry = False


class ConfigError(OutcryError):
    """A setting is unknown, malformed or contradictory; the message says which and what is right."""


class EngineError(OutcryError):
    """An embedded engine cannot be started here; the message says why and what to do."""


class BadRequestError(OutcryError):
    """The caller's input is wrong: answered as a 400 with the message."""


class ConflictError(BadRequestError):
    """The input is well-formed but clashes with what there is: answered as a 409 with the message."""


class UnprocessableError(BadRequestError):
    """The input is well-formed, but not true of what it is about: answered as a 422 with the message."""


class TooEarlyError(OutcryError):
    """What is asked about has not happened yet: answered as a 425. `retry_after` is in seconds."""

    retry = True

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class NotFoundError(OutcryError):
    """The thing asked for does not exist: answered as a 404 with the message."""


class UnauthorizedError(OutcryError):
    """Nobody is signed in, or what was shown is not valid: answered as a 401 with the message.

    `shown` says that credentials came with the request, and are no good.
    """

    def __init__(self, message: str, *, shown: bool = True) -> None:
        super().__init__(message)
        self.shown = shown


class ForbiddenError(OutcryError):
    """Who asks may not do this: answered as a 403 with the message."""


class TooManyTriesError(OutcryError):
    """Somebody tries too often: answered as a 429. `retry_after` is in seconds."""

    retry = True

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class FrameError(OutcryError):
    """A frame cannot be decoded: it belongs on the dead-letter stream with this reason."""


class ScaleOverflowError(OutcryError):
    """A number does not fit its scaled 64-bit column; nothing was wrapped or rounded."""


class ProtocolError(OutcryError):
    """A peer sent something that its protocol does not allow."""


class VenueError(OutcryError):
    """The venue refused a request, for good."""


class VenueUnavailableError(VenueError):
    """The venue cannot be reached, timed out or answered 5xx."""

    retry = True


class RateLimitedError(VenueUnavailableError):
    """The venue said 429 or 418, or our own weight budget is spent.

    `retry_after` is in seconds.
    """

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class StoreUnavailableError(OutcryError):
    """PostgreSQL or Valkey cannot be reached just now."""

    retry = True


class LostOwnershipError(OutcryError):
    """Another process took over the shard that this recorder held; stop writing at once."""

    retry = True


class ChainError(OutcryError):
    """Something between us and a chain went wrong: root of these errors."""


class NodeUnavailableError(ChainError):
    """A node cannot be reached, timed out or answered 5xx; another node may be asked at once."""

    retry = True


class NodeBusyError(NodeUnavailableError):
    """A node wants to be asked less often. `retry_after` is in seconds."""

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class NodeDeniedError(ChainError):
    """A node does not let us in: the key in its URL is wrong, used up, or not for this chain."""


class NodeNonsenseError(ChainError):
    """A node answered what JSON-RPC or the chain's rules do not allow; another may do better."""

    retry = True


class NodeRefusedError(ChainError):
    """A node answered a question with a JSON-RPC error. `code` and `detail` are as it sent them."""

    def __init__(self, message: str, code: int, detail: object = None) -> None:
        super().__init__(message)
        self.code = code
        self.detail = detail


class TooMuchAskedError(NodeRefusedError):
    """The answer would be larger or take longer than the node allows: ask for fewer blocks.

    `fits` is how many blocks the node says it would answer for, None if it does not say.
    """

    def __init__(
        self, message: str, code: int, detail: object = None, fits: int | None = None
    ) -> None:
        super().__init__(message, code, detail)
        self.fits = fits


class WrongChainError(ChainError):
    """A node follows another chain than the one that is stored; it must not be believed."""


class ReorgTooDeepError(ChainError):
    """The chain has replaced more blocks than we remember: what is stored must be rebuilt."""


class LogError(OutcryError):
    """A log does not fit its description: it is left out. `reason` is one word, for counting."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason

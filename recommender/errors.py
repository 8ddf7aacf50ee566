"""The exception family. Edges translate it to problem+json, a page or an exit code."""


class RecommenderError(Exception):
    """Base of everything RecLoop raises on purpose; `str()` is fit for a user to read."""

    code = "error"


class NotReady(RecommenderError):
    """What was asked for is not there yet (no model, no data): try again later or do X first."""

    code = "not_ready"


class Refused(RecommenderError):
    """The request is understood and not allowed in the present state."""

    code = "refused"


class BadData(RecommenderError):
    """The input is not what it claims to be; the message says what came and what was expected."""

    code = "bad_data"


class Missing(RecommenderError):
    """A named row does not exist in this catalog."""

    code = "not_found"

"""Every error the TDX port raises, sorted by what to do next.

`TdxRetryLater`: nothing was done, try again later. `TdxUnclear`: a write may have been done, look before
repeating. `TdxSettingError`: no call will work until a person corrects a setting. `TdxRefused`: this call on
this item will never work, go on with the next. Texts name the call and the next step, never a secret.
"""


class TdxError(Exception):
    """Something went wrong with TDX.

    Args:
        message: What happened, where, and what to do next.
        call: The call as `METHOD template`, for example `GET /{app}/tickets/{id}`.
        status: HTTP status, or None where there was no answer.
    """

    def __init__(self, message: str, *, call: str = "", status: int | None = None) -> None:
        super().__init__(message)
        self.call = call
        self.status = status


class TdxRetryLater(TdxError):
    """The call was not done, or was a read: it may be repeated.

    Args:
        message: See `TdxError`.
        call: See `TdxError`.
        status: See `TdxError`.
        wait_seconds: How long to wait before the next try, where that is known.
    """

    def __init__(
        self,
        message: str,
        *,
        call: str = "",
        status: int | None = None,
        wait_seconds: float | None = None,
    ) -> None:
        super().__init__(message, call=call, status=status)
        self.wait_seconds = wait_seconds


class TdxRateLimited(TdxRetryLater):
    """TDX answered 429, or our own limiter has no slot within the time allowed."""


class TdxBadAnswer(TdxRetryLater):
    """TDX answered a read with something unreadable: a web page, a cut body, the wrong shape."""


class TdxUnclear(TdxError):
    """A write may or may not have been done: there was no clear yes and no clear no of TDX."""


class TdxSettingError(TdxError):
    """A setting is missing, malformed or wrong: address, app id, sign-in, report."""


class TdxRefused(TdxError):
    """TDX refused this call for good: 400, 403, 404, or a 401 also with a new token."""

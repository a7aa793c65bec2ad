"""From a request to its answer: route, rate limit, fault, sign-in, handler, call log.

Does not contain: sockets. Tests in the same process can call `App.handle`.
"""

import json
import threading
from http import HTTPStatus

from tdx_dagster.simulator.api import (
    asset_edits,
    assets,
    feed,
    links,
    lookups,
    people,
    reports,
    signin,
    ticket_edits,
    tickets,
)
from tdx_dagster.simulator.call_log import CallLog, LoggedCall
from tdx_dagster.simulator.faults import Fault, Faults, Moment
from tdx_dagster.simulator.limits import Limiter
from tdx_dagster.simulator.messages import (
    HTML,
    Dropped,
    Incoming,
    Outgoing,
    Refusal,
    json_answer,
)
from tdx_dagster.simulator.routes import BASE_PATHS, Match, Router, below_api
from tdx_dagster.simulator.tenant import shapes
from tdx_dagster.simulator.tenant.constants import Value
from tdx_dagster.simulator.tenant.model import Record
from tdx_dagster.simulator.tenant.tenant import Call, Tenant

LARGEST_REQUEST = 4 * 1024 * 1024

ROUTES = (
    *signin.ROUTES,
    *reports.ROUTES,
    *tickets.ROUTES,
    *ticket_edits.ROUTES,
    *lookups.ROUTES,
    *feed.ROUTES,
    *links.ROUTES,
    *assets.ROUTES,
    *asset_edits.ROUTES,
    *people.ROUTES,
)

_NO_PAGE = "<!DOCTYPE html><html><head><title>404</title></head><body>Not Found</body></html>"


class App:
    """Answer requests.

    Args:
        tenant: What they are about.
        limiter: Which of them are too many.
        faults: What goes wrong with some.
        calls: Where they are logged.
        stopping: Set when held and delayed calls are to end.
        base_paths: Paths below which the API answers.
    """

    def __init__(
        self,
        tenant: Tenant,
        limiter: Limiter,
        faults: Faults,
        calls: CallLog,
        stopping: threading.Event,
        base_paths: tuple[str, ...] = BASE_PATHS,
    ) -> None:
        self._base_paths = base_paths
        self.tenant = tenant
        self.limiter = limiter
        self.faults = faults
        self.calls = calls
        self._stopping = stopping
        self._router = Router(ROUTES)

    def handle(self, incoming: Incoming) -> Outgoing:
        """Answer a request.

        Args:
            incoming: The request.

        Raises:
            Dropped: The connection is to be closed without an answer.
        """
        path = below_api(incoming.path, self._base_paths)
        if path is None:
            return Outgoing(HTTPStatus.NOT_FOUND, _NO_PAGE.encode(), HTML)
        found = self._router.find(incoming.method, path)
        logged = self._log(incoming, path, found if isinstance(found, Match) else None)
        try:
            answer = self._answer(incoming, path, found)
        except Dropped:
            logged.status = 0
            raise
        logged.status = answer.status
        return answer

    def act(self, user: Record, method: str, path: str, body: Value) -> Outgoing:
        """Carry out a call as a person, without token, rate limit, faults and log.

        Args:
            user: Who makes it.
            method: HTTP method.
            path: Path below `/api`.
            body: What is sent as JSON.
        """
        sent = b"" if body is None else json.dumps(body).encode()
        found = self._router.find(method, path)
        incoming = Incoming(method, path, body=sent)
        if not isinstance(found, Match):
            return _unrouted(incoming, found)
        return self._effect(incoming, found, user)

    def _log(self, incoming: Incoming, path: str, match: Match | None) -> LoggedCall:
        secret = path.lower().startswith("/auth")
        return self.calls.enter(
            time=self.tenant.now(),
            method=incoming.method,
            template="" if match is None else match.route.template,
            path=path,
            query=incoming.query,
            body="" if secret else incoming.body.decode("utf-8", "replace"),
        )

    def _answer(self, incoming: Incoming, path: str, found: Match | frozenset[str]) -> Outgoing:
        if not isinstance(found, Match):
            return _unrouted(incoming, found)
        with self.tenant.state.lock:
            user = self.tenant.caller(incoming)
        admission = self.limiter.admit(
            found.route.name, address=incoming.address, user=None if user is None else user["UID"]
        )
        fault = self.faults.take(incoming.method, found.route.template, path)
        if not admission.allowed:
            answer = Outgoing(HTTPStatus.TOO_MANY_REQUESTS)
        elif fault is None:
            answer = self._effect(incoming, found, user)
        else:
            answer = self._faulty(incoming, found, user, fault)
        extra = {} if fault is None else dict(fault.headers)
        answer.headers = answer.headers | admission.headers | extra
        return answer

    def _faulty(
        self, incoming: Incoming, match: Match, user: Record | None, fault: Fault
    ) -> Outgoing:
        self._interrupt(fault, "before")
        if fault.prevents_effect:
            answer = fault.answer()
        else:
            answer = self._effect(incoming, match, user)
            answer = fault.answer() if fault.replaces_answer else answer
        self._interrupt(fault, "after")
        fault.apply_to(answer)
        return answer

    def _interrupt(self, fault: Fault, moment: Moment) -> None:
        if fault.delay_seconds and fault.delay == moment:
            self._stopping.wait(fault.delay_seconds)
        if fault.hold == moment:
            self._stopping.wait()
        if moment in {fault.drop, fault.hold}:
            raise Dropped

    def _effect(self, incoming: Incoming, match: Match, user: Record | None) -> Outgoing:
        try:
            self._require(incoming, signed_in=user is not None or not match.route.signed_in)
            with self.tenant.state.lock:
                return match.route.handler(self.tenant, Call(incoming, match.ids, user or {}))
        except Refusal as refusal:
            return _refused(refusal)

    def _require(self, incoming: Incoming, *, signed_in: bool) -> None:
        options = self.tenant.options
        if len(incoming.body) > LARGEST_REQUEST:
            raise Refusal(options.too_large_status, "The request is too large.")
        if not signed_in:
            body = "Unauthorized." if options.unauthorized_body else None
            raise Refusal(HTTPStatus.UNAUTHORIZED, body)


def _refused(refusal: Refusal) -> Outgoing:
    if refusal.message is None:
        return Outgoing(int(refusal.status))
    return json_answer(shapes.render("Error", {"Message": refusal.message}), refusal.status)


def _unrouted(incoming: Incoming, methods: frozenset[str]) -> Outgoing:
    if methods:
        message = f"The requested resource does not support http method '{incoming.method}'."
        answer = json_answer({"Message": message}, HTTPStatus.METHOD_NOT_ALLOWED)
        answer.headers["Allow"] = ", ".join(sorted(methods))
        return answer
    message = "No HTTP resource was found that matches the request URI."
    return json_answer({"Message": message}, HTTPStatus.NOT_FOUND)

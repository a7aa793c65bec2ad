"""The control paths under `/_simulator/`, for tests that drive a simulator over HTTP.

Unlike the API they are strict: a request that is not understood is refused with the reason. The list of
paths is in `docs/simulator.md`.
"""

from collections.abc import Callable
from dataclasses import asdict
from http import HTTPStatus
from typing import Any

from tdx_dagster.simulator.app import App
from tdx_dagster.simulator.messages import Incoming, Outgoing, Refusal, json_answer
from tdx_dagster.simulator.technician import ACTIONS, Technician
from tdx_dagster.simulator.tenant.model import state_from_json

PREFIX = "/_simulator/"


class Control:
    """Answer the control paths.

    Args:
        app: The application that is controlled.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self._routes: dict[tuple[str, str], Callable[[Any], object]] = {
            ("GET", "state"): lambda _: app.tenant.state.as_json(),
            ("PUT", "state"): self._put_state,
            ("GET", "calls"): lambda _: app.calls.as_json(),
            ("DELETE", "calls"): lambda _: app.calls.reset(),
            ("GET", "faults"): lambda _: [asdict(fault) for fault in app.faults],
            ("POST", "faults"): self._add_fault,
            ("DELETE", "faults"): lambda _: app.faults.clear(),
            ("GET", "options"): lambda _: asdict(app.tenant.options),
            ("PATCH", "options"): self._set_options,
            ("POST", "technician"): self._technician,
            ("POST", "expire-tokens"): lambda _: app.tenant.expire_tokens(),
        }

    def handle(self, incoming: Incoming) -> Outgoing | None:
        """Answer a control request.

        Args:
            incoming: The request.

        Returns:
            The answer, None where the path is no control path.
        """
        if not incoming.path.startswith(PREFIX):
            return None
        name = incoming.path.removeprefix(PREFIX).strip("/")
        found = self._routes.get((incoming.method, name))
        if found is None:
            known = ", ".join(f"{method} {path}" for method, path in self._routes)
            return json_answer({"error": f"Known are: {known}."}, HTTPStatus.NOT_FOUND)
        try:
            return json_answer(found(incoming.json()))
        except (Refusal, ValueError, TypeError, KeyError, AttributeError) as error:
            return json_answer({"error": str(error)}, HTTPStatus.BAD_REQUEST)

    def _add_fault(self, given: dict[str, Any]) -> object:
        on = given.get("on", ())
        numbers = on if isinstance(on, int) else tuple(on)
        rest = {
            name: value for name, value in given.items() if name not in ("method", "path", "on")
        }
        added = self._app.faults.add(given.get("method", "*"), given["path"], on=numbers, **rest)
        return asdict(added)

    def _technician(self, given: dict[str, Any]) -> object:
        """Do one thing as a person: `user`, `do`, the person's settings, and the action's own arguments."""
        rest = dict(given)
        action = ACTIONS.get(rest.pop("do", ""))
        if action is None:
            raise ValueError(f"do is one of {', '.join(ACTIONS)}.")
        settings = {name: rest.pop(name) for name in ("update_type", "at") if name in rest}
        return action(Technician(self._app, rest.pop("user"), **settings), **rest)

    def _set_options(self, given: dict[str, Any]) -> object:
        for name, value in given.items():
            self._app.tenant.options.set(name, value)
        return asdict(self._app.tenant.options)

    def _put_state(self, given: dict[str, Any]) -> object:
        self._app.tenant.state = state_from_json(given)
        return {"tickets": len(self._app.tenant.state.tickets)}

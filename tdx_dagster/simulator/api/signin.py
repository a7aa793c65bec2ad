"""Calls for signing in, the signed-in user, and the list of applications.

Tokens are made in `tokens`; who a token belongs to is decided in `tenant.tenant`.
"""

from http import HTTPStatus

from tdx_dagster.simulator.messages import Outgoing, Refusal, json_answer, text_answer
from tdx_dagster.simulator.routes import Route
from tdx_dagster.simulator.tenant import present, shapes
from tdx_dagster.simulator.tenant.constants import BEID, WEB_SERVICES_KEY
from tdx_dagster.simulator.tenant.tenant import ADMIN_NAME, Call, Tenant


def _login(tenant: Tenant, call: Call) -> Outgoing:
    given = call.read("LoginParameters")
    person = tenant.state.person_named(given["UserName"] or "")
    if person is None or not person.get("Password") or person["Password"] != given["Password"]:
        raise Refusal(tenant.options.bad_credentials_status, "Invalid username or password.")
    return _token(tenant, person["UserName"])


def _login_admin(tenant: Tenant, call: Call) -> Outgoing:
    given = call.read("AdminTokenParameters")
    pair = ((given["BEID"] or "").lower(), (given["WebServicesKey"] or "").lower())
    if pair != (BEID, WEB_SERVICES_KEY):
        raise Refusal(tenant.options.bad_credentials_status, "Invalid BEID or web services key.")
    return _token(tenant, ADMIN_NAME)


def _token(tenant: Tenant, user_name: str) -> Outgoing:
    token = tenant.issue_token(user_name)
    return json_answer(token) if tenant.options.token_quoted else text_answer(token)


def _sso(_tenant: Tenant, _call: Call) -> Outgoing:
    raise Refusal(HTTPStatus.FORBIDDEN, "Single sign-on needs a browser.")


def _get_user(tenant: Tenant, call: Call) -> Outgoing:
    return json_answer(present.person(tenant, call.user))


def _applications(tenant: Tenant, _call: Call) -> Outgoing:
    hidden = tenant.options.denied_apps
    return json_answer(
        [
            shapes.render("OrgApplication", app)
            for number, app in tenant.state.applications.items()
            if number not in hidden
        ]
    )


ROUTES = (
    Route("POST", "/auth", _login, signed_in=False, takes="LoginParameters", gives="string"),
    Route("POST", "/auth/login", _login, signed_in=False, takes="LoginParameters", gives="string"),
    Route(
        "POST",
        "/auth/loginadmin",
        _login_admin,
        signed_in=False,
        takes="AdminTokenParameters",
        gives="string",
    ),
    Route("GET", "/auth/loginsso", _sso, signed_in=False),
    Route("GET", "/auth/getuser", _get_user, gives="User"),
    Route("GET", "/applications", _applications, gives="[OrgApplication]"),
)

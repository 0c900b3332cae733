"""`mantle login`: get a token once, keep it for the commands that follow."""

import os
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from mantle.cli.credentials import Credentials, find_credentials, login_file, store_login
from mantle.cli.exits import Exit, Stop
from mantle.cli.options import NOTHING, Common


def login(
    *,
    auth_url: Annotated[str | None, Parameter(help="Ends in /identity/v3.")] = None,
    username: str | None = None,
    project: str | None = None,
    user_domain: str = "Default",
    project_domain: str = "Default",
    common: Common = NOTHING,
) -> Exit:
    """Log in and keep the token, readable by you only, until it expires. No password is kept.

    Without --auth-url, the entry of clouds.yaml or the OS_* variables are used. The password is
    read from OS_PASSWORD or asked for; it is no option, for those show in process lists.

    Try:

        mantle login --auth-url http://127.0.0.1:8778/identity/v3 --username demo --project demo
        mantle login --cloud mantle-admin
    """
    from mantle.cli.client import Client  # noqa: PLC0415 - `--help` needs no HTTP

    if auth_url is None:
        who = find_credentials(os.environ, Path.home(), common.cloud)
    else:
        if username is None or project is None:
            raise Stop(Exit.USAGE, "--auth-url needs --username and --project beside it.")
        who = Credentials(
            auth_url=auth_url,
            username=username,
            password=os.environ.get("OS_PASSWORD") or _ask(username),
            project_name=project,
            user_domain=user_domain,
            project_domain=project_domain,
            source="the command line",
        )
    with Client(who) as client:
        granted = client.log_in()
    place = login_file(os.environ, Path.home())
    store_login(place, auth_url=who.auth_url, token=granted.token, endpoint=granted.endpoint)
    answer = {
        "user": granted.user,
        "project": granted.project,
        "endpoint": granted.endpoint,
        "expires_at": granted.expires_at,
        "stored_in": str(place),
    }
    common.screen.answer(answer)
    common.screen.facts({} if common.json else answer)
    return Exit.OK


def _ask(username: str) -> str:
    from getpass import getpass  # noqa: PLC0415

    try:
        return getpass(f"Password of {username}: ")
    except EOFError:
        raise Stop(Exit.USAGE, "No password: set OS_PASSWORD where nobody can type one.") from None

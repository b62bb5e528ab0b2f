"""Which way leads to the cache: by arguments, by the environment, or by the project that the call is made in."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from millpond.client.endpoint_way import EndpointWay, endpoint_url
from millpond.client.store_way import PURGE_SECONDS, StoreWay, environment_of
from millpond.config import FILE_NAME, Config, RevalidateEndpointConfig, load_config
from millpond.errors import UnreachedError, UsageError

if TYPE_CHECKING:
    from millpond.client.reached import Way

PROJECT = "MILLPOND_PROJECT"
URL = "MILLPOND_URL"
SECRET = "MILLPOND_SECRET"  # noqa: S105 - the variable's name
"""The environment variables: a project's folder; a server's URL, or that of its endpoint; the endpoint's secret."""

_STATE, _APP = ".millpond", "app"


def found_way(
    project: str | os.PathLike[str] | None,
    url: str | None,
    secret: str | None,
    *,
    purge_seconds: float = PURGE_SECONDS,
) -> Way:
    """The way of a client with these arguments; what they leave open, the environment says.

    Raises:
        UnreachedError: there is no project.
        UsageError: the URL is none; or there is one, and no secret for it.
        ConfigError: the project's configuration is wrong.
    """
    if url is None and project is None:
        url = os.environ.get(URL) or None
    folder = _folder(project)
    if url is not None:
        config = Config() if folder is None else load_config(folder)
        return endpoint_way(url, secret or os.environ.get(SECRET) or None, None, folder, config)
    if folder is None:
        raise UnreachedError.of(
            "project",
            f"there is no Millpond project in {Path.cwd()} or above it: no {FILE_NAME}, no [tool.millpond] and no "
            f"{_STATE}. Name its folder with project= or {PROJECT}, or a server with url= or {URL}.",
        )
    return StoreWay(folder, folder / _APP, load_config(folder), purge_seconds=purge_seconds)


def endpoint_way(
    url: str, secret: str | None, secret_env: str | None, project: Path | None, config: Config
) -> EndpointWay:
    """The endpoint of the server at `url`.

    Args:
        url: the server's, or the endpoint's own.
        secret: the secret; None: it is in the environment.
        secret_env: the variable that holds it; None: the configured one.
        project: the project's folder, whose env files may have the variable.
        config: the configuration of the server.

    Raises:
        UsageError: the URL is none, or there is no secret.
    """
    endpoint = next((each for each in config.revalidate_endpoint if each.preset is None), None)
    address = endpoint_url(url, config.base_path, (endpoint or RevalidateEndpointConfig()).path)
    if secret is None:
        with environment_of(project, config):
            secret = _secret(secret_env, endpoint)
    return EndpointWay(address, secret.strip())


def _secret(given: str | None, endpoint: RevalidateEndpointConfig | None) -> str:
    names = [given] if given is not None else [] if endpoint is None else [*endpoint.secret_env]
    if not names:
        if endpoint is not None and endpoint.secret is not None:
            return endpoint.secret
        raise UsageError(
            "the server needs a secret: name the environment variable that holds it, with --secret-env or as "
            f"secret_env in [revalidate_endpoint]; or set {SECRET}, or give secret= to millpond.client."
        )
    secret = os.environ.get(names[0], "").strip()
    if not secret:
        raise UsageError(f"the environment variable {names[0]} isn't set; it must hold the server's secret.")
    return secret


def _folder(given: str | os.PathLike[str] | None) -> Path | None:
    """The project's folder; None: nothing says that there is one."""
    named = given if given is not None else os.environ.get(PROJECT) or None
    if named is not None:
        folder = Path(named).absolute()
        if not folder.is_dir():
            raise UnreachedError.of("project", f"there is no folder {folder}, which is to be the project's.")
        return folder
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if _is_project(folder)), None)


def _is_project(folder: Path) -> bool:
    if (folder / FILE_NAME).is_file() or (folder / _STATE).is_dir():
        return True
    try:
        tools = tomllib.loads((folder / "pyproject.toml").read_text("utf-8-sig")).get("tool")
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return False  # `load_config` tells what is wrong, where it is the project's
    return isinstance(tools, dict) and "millpond" in tools

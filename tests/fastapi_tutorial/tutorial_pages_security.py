"""Pages about who is asking: tokens, passwords, scopes and keys."""

import base64
import hashlib
import hmac
import json
import secrets
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Form, HTTPException, Security, status
from fastapi.security import (
    APIKeyCookie,
    APIKeyHeader,
    APIKeyQuery,
    HTTPAuthorizationCredentials,
    HTTPBasic,
    HTTPBasicCredentials,
    HTTPBearer,
    HTTPDigest,
    OAuth2AuthorizationCodeBearer,
    OAuth2PasswordBearer,
    OAuth2PasswordRequestForm,
    OpenIdConnect,
    SecurityScopes,
)
from pydantic import BaseModel
from tutorial_conversation import DOCUMENTS, ask, page


class Miller(BaseModel):
    name: str
    retired: bool = False
    scopes: list[str] = []


MILLERS = {
    "ada": Miller(name="ada", scopes=["me", "sacks"]),
    "eve": Miller(name="eve", retired=True),
}
token_scheme = OAuth2PasswordBearer(tokenUrl="token")
scoped = OAuth2PasswordBearer(tokenUrl="token", scopes={"me": "Read about me", "sacks": "Read sacks"})
KEY = b"the weir's"


def signed(claims: dict[str, Any]) -> str:
    """A token with a signature; as a JSON Web Token, but by nobody's library."""
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode()
    return f"{payload}.{hmac.new(KEY, payload.encode(), hashlib.sha256).hexdigest()}"


def claims_of(token: str) -> dict[str, Any]:
    payload, _, signature = token.partition(".")
    if not hmac.compare_digest(hmac.new(KEY, payload.encode(), hashlib.sha256).hexdigest(), signature):
        raise HTTPException(status.HTTP_401_UNAUTHORIZED, "Not signed here", {"WWW-Authenticate": "Bearer"})
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload))
    return found


async def miller_of(token: Annotated[str, Depends(token_scheme)]) -> Miller:
    if token not in MILLERS:
        raise HTTPException(status.HTTP_401_UNAUTHORIZED, "Unknown token", {"WWW-Authenticate": "Bearer"})
    return MILLERS[token]


async def active_miller(miller: Annotated[Miller, Depends(miller_of)]) -> Miller:
    if miller.retired:
        raise HTTPException(status_code=400, detail="Retired")
    return miller


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


@page(
    "tutorial/security/first-steps/",
    ask("GET /sacks"),
    ask("GET /sacks", headers=bearer("x")),
    ask("GET /sacks", headers={"authorization": "Basic x"}),
    ask("GET /sacks", headers={"authorization": "bearer"}),
)
def security_first_steps(make: type[FastAPI]) -> FastAPI:
    app = make()

    @app.get("/sacks")
    async def sacks(token: Annotated[str, Depends(token_scheme)]) -> dict[str, str]:
        return {"token": token}

    return app


@page(
    "tutorial/security/simple-oauth2/",
    ask("POST /token", data={"username": "ada", "password": "weir"}),
    ask("POST /token", data={"username": "ada", "password": "wrong", "grant_type": "password"}),
    ask("POST /token", data={"username": "ada", "grant_type": "other"}),
    ask("GET /millers/me", headers=bearer("ada")),
    ask("GET /millers/me", headers=bearer("eve")),
    ask("GET /millers/me", headers=bearer("none")),
    ask("GET /millers/me"),
    *DOCUMENTS,
)
def password_flow(make: type[FastAPI]) -> FastAPI:
    app = make(swagger_ui_init_oauth={"clientId": "the-counter", "usePkceWithAuthorizationCodeGrant": True})

    @app.post("/token")
    async def token(form: Annotated[OAuth2PasswordRequestForm, Depends()]) -> dict[str, str]:
        if form.username not in MILLERS or form.password != "weir":
            raise HTTPException(status_code=400, detail="Wrong name or password")
        return {"access_token": form.username, "token_type": "bearer"}

    @app.get("/millers/me")
    async def me(miller: Annotated[Miller, Depends(active_miller)]) -> Miller:
        return miller

    return app


@page(
    "tutorial/security/oauth2-jwt/",
    ask("POST /token", data={"username": "ada", "password": "weir"}),
    ask("GET /me", headers=bearer(signed({"sub": "ada"}))),
    ask("GET /me", headers=bearer(signed({"sub": "ada"}) + "0")),
    ask("GET /me"),
)
def signed_tokens(make: type[FastAPI]) -> FastAPI:
    app = make()

    @app.post("/token")
    async def token(username: Annotated[str, Form()], password: Annotated[str, Form()]) -> dict[str, str]:
        if password != "weir":
            raise HTTPException(status.HTTP_401_UNAUTHORIZED, headers={"WWW-Authenticate": "Bearer"})
        return {"access_token": signed({"sub": username}), "token_type": "bearer"}

    @app.get("/me")
    async def me(token: Annotated[str, Depends(token_scheme)]) -> str:
        return str(claims_of(token)["sub"])

    return app


async def miller_with(scopes: SecurityScopes, token: Annotated[str, Depends(scoped)]) -> Miller:
    challenge = f'Bearer scope="{scopes.scope_str}"' if scopes.scopes else "Bearer"
    miller = MILLERS.get(token)
    if miller is None or not set(scopes.scopes) <= set(miller.scopes):
        raise HTTPException(status.HTTP_401_UNAUTHORIZED, "Not enough", {"WWW-Authenticate": challenge})
    return miller


async def active_with_scope(miller: Annotated[Miller, Security(miller_with, scopes=["me"])]) -> Miller:
    return miller


@page(
    "advanced/security/oauth2-scopes/",
    *(
        ask(f"GET {path}", headers=bearer(miller))
        for path in ("/me", "/me/sacks", "/status")
        for miller in ("ada", "eve", "none")
    ),
    ask("GET /me/sacks"),
)
def scopes(make: type[FastAPI]) -> FastAPI:
    app = make()

    @app.get("/me")
    async def me(miller: Annotated[Miller, Depends(active_with_scope)]) -> Miller:
        return miller

    @app.get("/me/sacks")
    async def sacks(miller: Annotated[Miller, Security(active_with_scope, scopes=["sacks"])]) -> list[str]:
        return [f"{miller.name}'s rye"]

    @app.get("/status")
    async def state(miller: Annotated[Miller, Depends(miller_with)]) -> str:
        return miller.name

    return app


@page(
    "advanced/security/http-basic-auth/",
    ask("GET /me", auth=("ada", "weir")),
    ask("GET /me", auth=("ada", "wrong")),
    ask("GET /me", headers={"authorization": "Basic not-base64!"}),
    ask("GET /me", headers={"authorization": "Basic YWRh"}),
    ask("GET /me"),
)
def basic(make: type[FastAPI]) -> FastAPI:
    app = make()

    def known(found: Annotated[HTTPBasicCredentials, Depends(HTTPBasic(realm="mill"))]) -> str:
        if not secrets.compare_digest(found.password.encode(), b"weir"):
            raise HTTPException(status.HTTP_401_UNAUTHORIZED, "Wrong", {"WWW-Authenticate": "Basic"})
        return found.username

    @app.get("/me")
    def me(name: Annotated[str, Depends(known)]) -> str:
        return name

    return app


@page(
    "reference/security/",
    ask("GET /query?key=k"),
    ask("GET /header", headers={"x-key": "k"}),
    ask("GET /cookie", headers={"cookie": "key=k"}),
    *(ask(f"GET /{where}") for where in ("query", "header", "cookie", "bearer", "digest", "code", "open-id")),
    ask("GET /bearer", headers=bearer("b")),
    ask("GET /digest", headers={"authorization": "Digest d"}),
    ask("GET /code", headers=bearer("c")),
    ask("GET /open-id", headers=bearer("o")),
)
def schemes(make: type[FastAPI]) -> FastAPI:
    app = make()

    @app.get("/query")
    def query(key: Annotated[str, Depends(APIKeyQuery(name="key"))]) -> str:
        return key

    @app.get("/header")
    def header(key: Annotated[str, Security(APIKeyHeader(name="x-key", description="Of the counter"))]) -> str:
        return key

    @app.get("/cookie")
    def cookie(key: Annotated[str | None, Depends(APIKeyCookie(name="key", auto_error=False))]) -> str | None:
        return key

    @app.get("/bearer")
    def by_bearer(found: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]) -> str:
        return found.credentials

    @app.get("/digest")
    def digest(found: Annotated[HTTPAuthorizationCredentials, Depends(HTTPDigest())]) -> str:
        return found.credentials

    code_flow = OAuth2AuthorizationCodeBearer("https://mill.example/authorize", "https://mill.example/token")

    @app.get("/code")
    def code(token: Annotated[str, Depends(code_flow)]) -> str:
        return token

    @app.get("/open-id")
    def open_id(found: Annotated[str, Depends(OpenIdConnect(openIdConnectUrl="/.well-known/openid"))]) -> str:
        return found

    return app

"""Tokens in JWT's form (HS256), and salted hashes of passwords."""

import base64
import hashlib
import hmac
import json
import secrets
import time

WEEK = 7 * 24 * 3600


class InvalidTokenError(ValueError):
    """A token that wasn't made here, or is too old."""


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _signature(text: str, secret: str) -> bytes:
    return hmac.digest(secret.encode(), text.encode(), hashlib.sha256)


def make_token(user_id: int, secret: str) -> str:
    head = _encode(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
    body = _encode(json.dumps({"sub": user_id, "exp": int(time.time()) + WEEK}).encode())
    return f"{head}.{body}.{_encode(_signature(f'{head}.{body}', secret))}"


def read_token(token: str, secret: str) -> int:
    """The id of the user whose token it is.

    Raises:
        InvalidTokenError: It isn't a token, has another signature, or is over.
    """
    signed, _, signature = token.rpartition(".")
    try:
        if not hmac.compare_digest(_decode(signature), _signature(signed, secret)):
            raise InvalidTokenError("signature")
        claims = json.loads(_decode(signed.partition(".")[2]))
        if claims["exp"] < time.time():
            raise InvalidTokenError("expired")
        return int(claims["sub"])
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidTokenError(str(error)) from error


def hash_password(password: str) -> str:
    salt = secrets.token_bytes(16)
    return f"{salt.hex()}:{_hashed(password, salt).hex()}"


def password_matches(password: str, stored: str) -> bool:
    salt, _, hashed = stored.partition(":")
    return hmac.compare_digest(_hashed(password, bytes.fromhex(salt)), bytes.fromhex(hashed))


def _hashed(password: str, salt: bytes) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", password.encode(), salt, 1000)

"""The certificate of a server that speaks TLS itself."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from millpond.config.ownership import READ, whose
from millpond.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

_CERTIFICATE, _KEY = b"-----BEGIN CERTIFICATE-----", b"PRIVATE KEY-----"


@dataclass(frozen=True, slots=True)
class Certificate:
    """Files in PEM format; each process that serves reads them when it starts."""

    certfile: Path
    """The certificate, and after it those of the authorities between it and the root."""
    keyfile: Path | None = None
    """Its private key; None if `certfile` has it, too."""
    password: str | None = field(default=None, repr=False)
    """Of the key, if it is encrypted."""

    @property
    def options(self) -> dict[str, Any]:
        """The options of uvicorn.Config."""
        return {
            "ssl_certfile": str(self.certfile),
            "ssl_keyfile": None if self.keyfile is None else str(self.keyfile),
            "ssl_keyfile_password": self.password,
        }

    def check(self) -> None:
        """Load the files as the server will.

        Raises:
            UsageError: one of them can't be used; the message says which, and why.
        """
        if _CERTIFICATE not in _content("--ssl-certfile", self.certfile):
            raise UsageError(f"--ssl-certfile {self.certfile} is no certificate in PEM format.")
        if self.keyfile is None:
            if _KEY not in _content("--ssl-certfile", self.certfile):
                raise UsageError(f"{self.certfile} has no private key; give the file that has it with --ssl-keyfile.")
        elif _KEY not in _content("--ssl-keyfile", self.keyfile):
            raise UsageError(f"--ssl-keyfile {self.keyfile} is no private key in PEM format.")
        self._load(self.certfile if self.keyfile is None else self.keyfile)

    def _load(self, key: Path) -> None:
        asked = False

        def password() -> str:  # without it, OpenSSL would ask at the terminal
            nonlocal asked
            asked = True
            return self.password or ""

        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self.certfile, self.keyfile, password)
        except (ssl.SSLError, ValueError) as error:
            if asked:
                what = "needs a password" if self.password is None else "has another password"
                raise UsageError(f"the private key in {key} {what}; give it with --ssl-keyfile-password.") from None
            if getattr(error, "reason", "") == "KEY_VALUES_MISMATCH":
                raise UsageError(f"the private key in {key} isn't that of the certificate {self.certfile}.") from None
            reason = getattr(error, "reason", None) or error
            raise UsageError(
                f"the certificate {self.certfile} with the key in {key} can't be used: {reason}."
            ) from None


def _content(option: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        reason = f"{error.strerror}.{whose(path, needed=READ)}"
        raise UsageError(f"{option} {path} can't be read: {reason}") from None

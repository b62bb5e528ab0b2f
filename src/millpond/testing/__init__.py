"""The kit for users' tests: clients with a cache and a clock of their own, and assertions about their responses."""

from millpond.testing.assertions import assert_hit, assert_live, assert_miss, assert_stale
from millpond.testing.async_client import AsyncTestClient
from millpond.testing.moved_clock import Clock
from millpond.testing.signed_webhook import SignedWebhook, sign_webhook
from millpond.testing.sync_client import TestClient

__all__ = [
    "AsyncTestClient",
    "Clock",
    "SignedWebhook",
    "TestClient",
    "assert_hit",
    "assert_live",
    "assert_miss",
    "assert_stale",
    "sign_webhook",
]

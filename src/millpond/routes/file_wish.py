"""What a route file says about its GET: whether it asks for a static one (A.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from millpond.routes.contract import Wish
from millpond.routes.exports import STATIC_PARAMS

if TYPE_CHECKING:
    from millpond.policy.compat import Compat
    from millpond.routes.module import RouteModule


def wish_of(module: RouteModule, compat: Compat, *, cache_components: bool) -> Wish:
    """What the file asks for, its options that forbid a static GET left aside."""
    return _wanted_by_all(module) if cache_components else _wanted(module, compat)


def _wanted_by_all(module: RouteModule) -> Wish:
    """With Cache Components no opt-in is needed, but parameters must be listed (R3.3, R9.11)."""
    if module.file.params and module.generate_static_params is None:
        return Wish(False, "has parameters, and no generate_static_params")
    return Wish(True, "ends without waiting, and without request data")


def _wanted(module: RouteModule, compat: Compat) -> Wish:
    config = module.config
    if module.file.is_answer:
        return Wish(True, "a file, served as it is")
    listed = module.generate_static_params is not None
    if module.file.params and not listed:
        return _wanted_on_demand(module)
    if config.forces_static or config.forbids_dynamic:
        return Wish(True, f'dynamic = "{config.dynamic}"', module.place("dynamic"))
    if config.opts_in:
        return Wish(True, f"revalidate = {config.revalidate}", module.place("revalidate"))
    if module.file.static_by_default:
        return Wish(True, "metadata files are static by default")
    if listed:
        return Wish(True, "generate_static_params", module.place(STATIC_PARAMS))
    if compat.get_is_static_by_default:
        return Wish(True, f"GET is static by default (compat {compat})")
    return Wish(False, f"GET is live by default (compat {compat})")


def _wanted_on_demand(module: RouteModule) -> Wish:
    """A parameterised route without `generate_static_params` (R3.4; a time-based one opts in, D17)."""
    config = module.config
    if config.forces_static or config.forbids_dynamic:
        return Wish(True, f'dynamic = "{config.dynamic}"', module.place("dynamic"))
    if config.revalidate:
        return Wish(True, f"revalidate = {config.revalidate}", module.place("revalidate"))
    return Wish(False, "has parameters, and no generate_static_params")

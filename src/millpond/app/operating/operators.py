"""What operators see of one application, made of the runtime that answers them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from millpond.app.operating.metrics_endpoint import MetricsEndpoint
from millpond.app.operating.operator_paths import OperatorPaths, secret_of
from millpond.config.telemetry.dashboard_config import DASHBOARD_PATH
from millpond.telemetry.prometheus_text import need_prometheus

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.types import ASGIApp, Scope

    from millpond.app.runtime import Runtime
    from millpond.config import Config
    from millpond.dashboard.dashboard import Dashboard
    from millpond.telemetry.counting import Counting


class Operators:
    """Makes what answers the paths of operators.

    Args:
        config: the application's.
        counting: what it counts.
        development: whether it runs in `millpond dev`, where nobody has to log in.
        runtime: that of the running event loop, which is started if it isn't.
    """

    def __init__(
        self,
        config: Config,
        counting: Counting,
        runtime: Callable[[Scope], Awaitable[Runtime]],
        *,
        development: bool,
    ) -> None:
        self._config, self._counting, self._runtime = config, counting, runtime
        self._development = development
        self._dashboard: tuple[Runtime, Dashboard] | None = None
        self._metrics: MetricsEndpoint | None = None

    def in_front_of(self, app: ASGIApp) -> ASGIApp:
        """The application with these paths in front of it; itself where there are none.

        Raises:
            ConfigError: a secret isn't set, or prometheus-client isn't installed.
        """
        metrics, dashboard = self._config.metrics, self._config.dashboard
        has_dashboard = self._development or dashboard.secret_env is not None
        if metrics.path is None and not has_dashboard:
            return app
        if metrics.path is not None:
            need_prometheus()
        path = DASHBOARD_PATH if has_dashboard else None
        return OperatorPaths(app, metrics.path, path, self._metrics_endpoint, self._dashboard_of)

    async def _metrics_endpoint(self, scope: Scope) -> ASGIApp:
        await self._runtime(scope)  # what isn't counted together with other processes yet is from now on
        if self._metrics is None:
            variable = self._config.metrics.secret_env
            secret = None if variable is None else secret_of("metrics", variable)
            self._metrics = MetricsEndpoint(self._counting, secret)
        return self._metrics

    async def _dashboard_of(self, scope: Scope) -> ASGIApp:
        runtime = await self._runtime(scope)
        if self._dashboard is None or self._dashboard[0] is not runtime:
            from millpond.cron.job import CronJob  # imported late, as the dashboard is with its templates
            from millpond.dashboard.dashboard import Dashboard
            from millpond.dashboard.operated import Operated
            from millpond.warm.warm_inside import WarmInside

            project = (self._counting.project or Path()).absolute()
            operated = Operated(
                site=project.name,
                project=project,
                config=self._config,
                build=runtime.served.build,
                since=runtime.began,
                development=self._development,
                counting=self._counting,
                store=runtime.responses.store,
                plans=lambda: runtime.served.plans,
                clock=runtime.responses.clock,
                purges=runtime.data.purges,
                names=runtime.data.names,
                warms=WarmInside(runtime.warming, runtime.dispatcher, self._config),
                crons=[
                    CronJob(cron, runtime.crons, self._config, runtime.responses.store, runtime.responses.clock)
                    for cron in self._config.cron
                ],
            )
            variable = self._config.dashboard.secret_env
            asks = variable is not None and not self._development
            secret = secret_of("dashboard", variable) if asks and variable is not None else None
            self._dashboard = runtime, Dashboard(operated, secret)
        return self._dashboard[1]

"""The plot: what a user costs, and what runs out first."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from connect_capacity.model import Model, Result
from connect_capacity.report import short

PARTS = (
    ("redis", "Redis", "#b5473c"),
    ("gateways", "gateways", "#2f6f9f"),
    ("loadBalancers", "load balancers", "#6aa5c9"),
    ("dataOut", "data out", "#d9a441"),
    ("messaging", "messaging", "#4d8b57"),
    ("betweenZones", "between zones", "#a7c796"),
    ("network", "endpoints, secrets", "#8c8c8c"),
    ("observability", "logs, metrics", "#c4c4c4"),
)
FEW_KEPT = 100  # messages in a mailbox, for comparison
CENTS = 100
POINTS_PER_DECADE = 12
DOTS_PER_INCH = 150
INK, PALE = "#222222", "#eeeeee"


def draw(model: Model, results: list[Result], path: Path) -> None:
    """Needs matplotlib (pip install matplotlib); nothing else of the model does."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.rcParams.update({"font.size": 10, "axes.edgecolor": INK, "text.color": INK})
    figure, (top, bottom) = plt.subplots(
        2, 1, figsize=(10, 8.2), height_ratios=(3, 1.7), layout="constrained")
    _cost(top, model, results)
    _bottlenecks(bottom, results)
    figure.savefig(path, dpi=DOTS_PER_INCH)
    plt.close(figure)


def _curve(model: Model, results: list[Result]) -> list[Result]:
    low, high = results[0].users, results[-1].users
    users, step = [low], 10 ** (1 / POINTS_PER_DECADE)
    while users[-1] * step < high:
        users.append(users[-1] * step)
    return [model.evaluate(count) for count in users] + [results[-1]]


def _cost(axes, model: Model, results: list[Result]) -> None:  # type: ignore[no-untyped-def]
    curve = _curve(model, results)
    users = [result.users for result in curve]
    axes.plot(users, [CENTS * r.per_user for r in curve], color=INK, linewidth=2.4, label="all")
    fewer = replace(model, scenario=replace(model.scenario, history_limit=FEW_KEPT))
    axes.plot(
        users, [CENTS * fewer.evaluate(count).per_user for count in users], color=INK,
        linewidth=1.2, linestyle=(0, (4, 3)), label=f"all, with --history-limit {FEW_KEPT}")
    for name, label, color in PARTS:
        values = [CENTS * r.cells * r.cost.parts[name] / r.users for r in curve]
        axes.plot(users, values, color=color, linewidth=1.5, label=label)
    for result in results:
        axes.annotate(
            f"{CENTS * result.per_user:.2g} ¢", (result.users, CENTS * result.per_user),
            textcoords="offset points", xytext=(4, 7), fontweight="bold")
    axes.set(xscale="log", yscale="log", ylabel="US cents per user and month")
    axes.set_xlim(users[0] / 1.25, users[-1] * 1.9)
    axes.set_xticks([r.users for r in results], [short(r.users) for r in results])
    axes.minorticks_off()
    axes.set_ylim(bottom=1e-3)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.grid(color=PALE)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, ncols=2, loc="upper right")
    scenario = model.scenario
    axes.set_title(
        f"What a user costs: {scenario.messages_per_day:g} messages a day, "
        f"{scenario.history_limit:g} kept, {100 * scenario.online_share:g} % of devices online at "
        f"peak\n(AWS list prices of {model.prices.date}, {model.prices.region}; measured with "
        f"Connect {model.measured.version})", loc="left", fontsize=11)


def _bottlenecks(axes, results: list[Result]) -> None:  # type: ignore[no-untyped-def]
    tiers = [tier.name for tier in results[0].deployment.tiers]
    shares = [
        [result.deployment.tiers[row].bottleneck.share for result in results]
        for row in range(len(tiers))]
    axes.imshow(shares, cmap="YlOrRd", vmin=0, vmax=1.6, aspect="auto")
    for row in range(len(tiers)):
        for column, result in enumerate(results):
            use = result.deployment.tiers[row].bottleneck
            axes.text(
                column, row, f"{use.resource}\n{100 * use.share:.0f} %", ha="center", va="center",
                fontsize=9)
    deployed = [
        f"{short(r.users)} users\n{r.deployment.gateways} gateways\n"
        f"{r.deployment.messaging} messaging\n{r.deployment.shards} × {r.deployment.node.name.removeprefix('cache.')}"
        for r in results]
    axes.set_xticks(range(len(results)), deployed)
    axes.set_yticks(range(len(tiers)), tiers)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title(
        "First bottleneck of each tier, and how much of what is allowed it uses at peak",
        loc="left", fontsize=11)

"""Markdown of the figures of a run."""
import targets
import underlays
from results import ratios, spread

# heading: measure, key, digits
COLUMNS = {
    "TCP, Gbit/s": ("tcp", "gbit_s", 2),
    "reverse": ("tcp_reverse", "gbit_s", 2),
    "four streams": ("tcp_four", "gbit_s", 2),
    "UDP ≤ 0.5 % lost, Gbit/s": ("udp", "gbit_s", 2),
    "UDP in bulk, Gbit/s": ("udp_bulk", "gbit_s", 2),
    "daemons' CPU, s/GB": ("tcp", "cpu_s_per_gb", 2),
    "machine's CPU, s/GB": ("tcp", "machine_cpu_s_per_gb", 2),
    "idle round trip, µs": ("idle_rtt", "p50_us", 0),
    "under load, µs": ("loaded_rtt", "p50_us", 0),
    "memory, MB": ("tcp_four", "resident_mb", 1),
    "wake-ups/s": ("rest", "wake_ups_s", 1),
}
NO_RATIO = ("machine's CPU, s/GB", "memory, MB", "wake-ups/s")


def markdown(results):
    parts = [head(results)]
    for underlay in results.underlays():
        parts.append(f"### {underlay}: {underlays.NAMES[underlay]}")
        parts.append(figures(results, underlay))
        parts.append(paired(results, underlay))
    if results["first_ping_s"]:
        times_ms = [time * 1000 for time in results["first_ping_s"]]
        parts.append(f"First ping after `join` is back: {spread(times_ms, 0)} ms, "
                     f"{len(times_ms)} new networks.")
    parts.append(judgement(results))
    if results["failures"]:
        parts.append("\n".join(["Failed:", "", *(f"* {why}" for why in results["failures"])]))
    return "\n\n".join(part for part in parts if part)


def head(results):
    versions = ", ".join(f"{peer} {version}" for peer, version in results["versions"].items())
    return "\n".join((
        f"    {results['command']}", "",
        f"{results['date']}; {results['machine']}, shared by both ends; "
        f"{len(results['rounds'])} of {results['rounds_planned']} rounds, "
        f"{results['seconds']} s a load; median [least … most] of the rounds. {versions}."))


def table(headings, rows):
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def figures(results, underlay):
    shown = [(heading, column) for heading, column in COLUMNS.items()
             if has_any(results, underlay, results.peers(underlay), column)]
    return table(
        ["", "MTU", *(heading for heading, _ in shown)],
        [[peer, str(results["mtu"].get(f"{underlay} {peer}", "–")),
          *(spread(results.values(underlay, peer, measure, key), digits)
            for _, (measure, key, digits) in shown)]
         for peer in results.peers(underlay)])


def paired(results, underlay):
    others = [peer for peer in results.peers(underlay) if peer != "ipop"]
    shown = [(heading, column) for heading, column in COLUMNS.items()
             if heading not in NO_RATIO and has_any(results, underlay, ["ipop"], column)
             and has_any(results, underlay, others, column)]
    if not shown:
        return ""
    rows = [[peer, *(spread(ratios(results.values(underlay, "ipop", measure, key),
                                   results.values(underlay, peer, measure, key)))
                     for _, (measure, key, _) in shown)]
            for peer in others]
    return table(["ipop ÷ …, within a round", *(heading for heading, _ in shown)], rows)


def has_any(results, underlay, peers, column):
    measure, key, _ = column
    return any(value is not None for peer in peers
               for value in results.values(underlay, peer, measure, key))


def judgement(results):
    rows, missing = [], []
    for target in targets.ALL:
        verdict = target.verdict(results)
        if not verdict:
            missing.append(target.what)
            continue
        sign = "≤" if target.less_is_better else "≥"
        compared = target.compared(results)
        what = target.what + (f" (of {', '.join(compared)})" if len(compared) > 1 else "")
        rows.append([what, spread(target.judged(results), 3),
                     *(f"{sign} {limit:.3g}{target.unit}" for limit in (target.gate, target.goal)),
                     verdict])
    parts = [table(["", "measured", "gate", "goal", "reached"], rows)] if rows else []
    if missing:
        parts.append(f"Not measured: {'; '.join(missing)}.")
    return "\n\n".join(parts)


def complete(results):
    """Nothing failed and no gate that was measured is missed."""
    verdicts = [target.verdict(results) for target in targets.ALL]
    return not results["failures"] and "MISSED" not in verdicts

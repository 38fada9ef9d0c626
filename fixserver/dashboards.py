"""The dashboards for Grafana, made from a list of panels; it asks nobody anything. `fixserver dashboards` writes them.

Grafana's own files are long and say mostly where things stand, so they are made, and never edited: config/grafana/dashboards.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

COLUMNS = 24  # of Grafana's grid
HEIGHT = 8
SOURCE = {"type": "prometheus", "uid": "prometheus"}
WINDOW = "[$__rate_interval]"
SECONDS, BYTES, PER_SECOND, SHARE, NUMBER = "s", "bytes", "ops", "percentunit", "short"


class Query(NamedTuple):
    """`text` is PromQL; `legend` how its lines are called."""

    text: str
    legend: str


class Panel(NamedTuple):
    """One graph. `about` is what it shows and when to worry, for who has not seen it before."""

    title: str
    unit: str
    about: str
    queries: Sequence[Query]
    width: int = 8


class Row(NamedTuple):
    title: str
    panels: Sequence[Panel]


class Dashboard(NamedTuple):
    uid: str
    title: str
    rows: Sequence[Row]


def _rate(metric: str, by: str = "") -> str:
    return f"sum{f' by ({by})' if by else ''} (rate({metric}{WINDOW}))"


def _quantile(quantile: float, metric: str, by: str = "") -> str:
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({quantile}, sum by ({labels}) (rate({metric}_bucket{WINDOW})))"


def _quantiles(metric: str) -> list[Query]:
    return [Query(_quantile(quantile, metric), f"p{quantile * 100:g}") for quantile in (0.5, 0.99)]


VENUE = Dashboard(
    "fixserver-venue",
    "fixserver: the venue",
    [
        Row(
            "Sessions",
            [
                Panel("Sessions logged on", NUMBER, "FIX sessions of order entry and of the feed.", [
                    Query("sum(fixserver_sessions)", "order entry"),
                    Query("sum(fixserver_marketdata_sessions)", "market data"),
                ]),
                Panel("Connections", NUMBER, "Open connections of order entry, and how many are taken at once.", [
                    Query("sum(fixserver_connections)", "open"),
                    Query("sum(fixserver_connections_max)", "at most"),
                ]),
                Panel("Connections closed by us", PER_SECOND, "By cause. A rise without one of sessions is somebody knocking.", [
                    Query(_rate("fixserver_connections_refused_total", "cause"), "{{cause}}"),
                ]),
                Panel("Logons", PER_SECOND, "By what became of them. Many refused: a wrong setting, or somebody guesses.", [
                    Query(_rate("fixserver_logons_total", "outcome"), "{{outcome}}"),
                ], 24),
            ],
        ),
        Row(
            "Orders and trades",
            [
                Panel("Messages taken in", PER_SECOND, "FIX messages of order entry by MsgType(35): D new, G replace, F cancel.", [
                    Query(_rate("fixserver_messages_received_total", "type"), "{{type}}"),
                ]),
                Panel("Orders and trades", PER_SECOND, "Orders entered, refused ones included, and trades.", [
                    Query(_rate("fixserver_orders_total"), "orders"),
                    Query(_rate("fixserver_trades_total"), "trades"),
                ]),
                Panel("Rejects", PER_SECOND, "Orders, cancels and replaces that were refused, by reason.", [
                    Query(_rate("fixserver_rejects_total", "reason"), "{{reason}}"),
                ]),
            ],
        ),
        Row(
            "Latency",
            [
                Panel("From bytes to report", SECONDS, "From the bytes of a command to its report, in the exchange.",
                      _quantiles("fixserver_order_latency_seconds"), 12),
                Panel("By stage, p99", SECONDS, "Decoded, made durable, applied, its reports made, and given to the sockets.", [
                    Query(_quantile(0.99, "fixserver_stage_seconds", "stage"), "{{stage}}"),
                ], 12),
            ],
        ),
        Row(
            "Books and market data",
            [
                Panel("Orders in the books", NUMBER, "As the exchange has them, and as the feed does.", [
                    Query("sum(fixserver_resting_orders)", "exchange"),
                    Query("sum(fixserver_marketdata_resting_orders)", "feed"),
                ]),
                Panel("Instruments by phase", NUMBER, "Halted ones want somebody to look.", [
                    Query("sum by (phase) (fixserver_instruments)", "{{phase}}"),
                ]),
                Panel("Who follows the market", NUMBER, "FIX sessions that subscribe, and WebSockets.", [
                    Query("sum(fixserver_marketdata_subscribers)", "FIX"),
                    Query("sum(fixserver_web_streams)", "WebSocket"),
                ]),
                Panel("Market data sent", PER_SECOND, "Entries by FIX, and frames by WebSocket, over all who follow.", [
                    Query(_rate("fixserver_marketdata_entries_sent_total"), "FIX entries"),
                    Query(_rate("fixserver_stream_frames_total"), "WebSocket frames"),
                ], 12),
                Panel("Who did not read", PER_SECOND, "Held back, then cut, because they do not read what they asked for.", [
                    Query(_rate("fixserver_marketdata_held_total"), "FIX held"),
                    Query(_rate("fixserver_marketdata_cut_total"), "FIX cut"),
                    Query(_rate("fixserver_stream_held_total"), "WebSocket held"),
                    Query(_rate("fixserver_stream_cut_total"), "WebSocket cut"),
                ], 12),
            ],
        ),
    ],
)  # fmt: skip

MACHINE_ROOM = Dashboard(
    "fixserver-machine-room",
    "fixserver: the machine room",
    [
        Row(
            "Journal",
            [
                Panel("Commands and events", PER_SECOND, "What is written to journal and event log.", [
                    Query("sum(rate(fixserver_journal_head[$__rate_interval]))", "commands"),
                    Query("sum(rate(fixserver_event_head[$__rate_interval]))", "events"),
                ]),
                Panel("Commands made durable together", NUMBER, "Of a batch, on average: it grows with the load.", [
                    Query(f"{_rate('fixserver_batch_commands_sum')} / {_rate('fixserver_batch_commands_count')}", "commands"),
                ]),
                Panel("The disk", SECONDS, "How long it takes to make a batch durable. It is part of every answer.",
                      _quantiles("fixserver_journal_sync_seconds")),
                Panel("Space", BYTES, "Free on the file system of the data directory. Without any the exchange stops.", [
                    Query("sum(fixserver_disk_free_bytes)", "free"),
                    Query("sum(fixserver_disk_bytes)", "all"),
                ], 12),
                Panel("Snapshots", NUMBER, "Written, and failed, since the exchange was started.", [
                    Query("sum(fixserver_snapshots_total)", "written"),
                    Query("sum(fixserver_snapshots_failed_total)", "failed"),
                ], 12),
            ],
        ),
        Row(
            "Who follows the event log",
            [
                Panel("Behind", NUMBER, "Events that the exchange has published and the others have not taken yet.", [
                    Query("sum(fixserver_ledger_lag_events)", "ledger"),
                    Query("sum(fixserver_history_lag_events)", "history"),
                    Query("sum(fixserver_event_head) - sum(fixserver_marketdata_event_head)", "feed"),
                ]),
                Panel("Commits, p99", SECONDS, "How long the databases take for a transaction.", [
                    Query(_quantile(0.99, "fixserver_ledger_commit_seconds"), "ledger"),
                    Query(_quantile(0.99, "fixserver_history_commit_seconds"), "history"),
                ]),
                Panel("Databases", NUMBER, "1 while it can be reached.", [
                    Query("min(fixserver_ledger_database_up)", "ledger"),
                    Query("min(fixserver_history_database_up)", "history"),
                ]),
            ],
        ),
        Row(
            "Clearing",
            [
                Panel("Differences", NUMBER, "Between ledger and engine, and in the ledger: anything above 0 is an emergency.", [
                    Query("sum(fixserver_ledger_differences)", "differences"),
                ]),
                Panel("Not compared for", SECONDS, "Since ledger and engine were compared last.", [
                    Query("time() - max(fixserver_ledger_reconciled_time_seconds)", "seconds"),
                ]),
                Panel("Fails and calls", NUMBER, "Obligations that were due and are not settled; accounts with a margin call.", [
                    Query("sum(fixserver_ledger_obligations_failed)", "fails"),
                    Query("sum(fixserver_ledger_margin_calls)", "margin calls"),
                ]),
            ],
        ),
        Row(
            "Queues",
            [
                Panel("Not read yet", BYTES, "What clients have been sent and have not read. Beyond their limit they are cut.", [
                    Query("sum(fixserver_unread_bytes)", "order entry"),
                    Query("sum(fixserver_web_unread_bytes)", "web"),
                ], 12),
                Panel("Web requests that wait", NUMBER, "Orders by REST that wait for the exchange's answer.", [
                    Query("sum(fixserver_order_entry_waiting)", "waiting"),
                ], 12),
            ],
        ),
        Row(
            "Processes",
            [
                Panel("Memory", BYTES, "Resident.", [
                    Query('process_resident_memory_bytes{job="fixserver"}', "{{process}}"),
                ]),
                Panel("Processor", SHARE, "Of one core.", [
                    Query(f'rate(process_cpu_seconds_total{{job="fixserver"}}{WINDOW})', "{{process}}"),
                ]),
                Panel("Open files", SHARE, "Of those that each may open.", [
                    Query('process_open_fds{job="fixserver"} / process_max_fds{job="fixserver"}', "{{process}}"),
                ]),
                Panel("Up", NUMBER, "1 while it answers.", [
                    Query('up{job="fixserver"}', "{{process}}"),
                ], 12),
                Panel("Running since", SECONDS, "A step down is a restart.", [
                    Query('time() - process_start_time_seconds{job="fixserver"}', "{{process}}"),
                ], 12),
            ],
        ),
    ],
)  # fmt: skip

DASHBOARDS = {"venue.json": VENUE, "machine-room.json": MACHINE_ROOM}


def panels(dashboard: Dashboard) -> Iterator[Panel]:
    for row in dashboard.rows:
        yield from row.panels


def text_of(dashboard: Dashboard) -> str:
    """The dashboard as Grafana reads it."""
    placed: list[dict[str, Any]] = []
    top = 0
    for row in dashboard.rows:
        placed.append(_placed({"type": "row", "title": row.title, "collapsed": False, "panels": []}, placed, 0, top, COLUMNS, 1))
        top += 1
        left = 0
        for panel in row.panels:
            if left + panel.width > COLUMNS:
                left, top = 0, top + HEIGHT
            placed.append(_placed(_graph(panel), placed, left, top, panel.width, HEIGHT))
            left += panel.width
        top += HEIGHT
    made = {
        "uid": dashboard.uid, "title": dashboard.title, "tags": ["fixserver"], "timezone": "utc", "schemaVersion": 39, "version": 1,
        "refresh": "5s", "time": {"from": "now-15m", "to": "now"}, "panels": placed,
    }  # fmt: skip
    return json.dumps(made, indent=1) + "\n"


def _placed(panel: dict[str, Any], before: list[dict[str, Any]], left: int, top: int, width: int, height: int) -> dict[str, Any]:
    return {"id": len(before) + 1, "gridPos": {"x": left, "y": top, "w": width, "h": height}, **panel}


def _graph(panel: Panel) -> dict[str, Any]:
    return {
        "type": "timeseries",
        "title": panel.title,
        "description": panel.about,
        "datasource": SOURCE,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0, "custom": {"fillOpacity": 10, "lineWidth": 2}}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi", "sort": "desc"}},
        "targets": [
            {"refId": chr(ord("A") + number), "datasource": SOURCE, "expr": query.text, "legendFormat": query.legend}
            for number, query in enumerate(panel.queries)
        ],
    }


def write(directory: Path) -> list[Path]:
    """Write all of them into `directory`; says which files."""
    directory.mkdir(parents=True, exist_ok=True)
    written = []
    for name, dashboard in DASHBOARDS.items():
        path = directory / name
        path.write_text(text_of(dashboard), encoding="utf-8")
        written.append(path)
    return written

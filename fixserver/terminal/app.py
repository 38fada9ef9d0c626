"""The terminal on the screen: what is seen and typed; what orders and market are is in orders.py and market.py."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, ClassVar, NamedTuple

from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Vertical, VerticalScroll
from textual.content import Content
from textual.markup import escape
from textual.screen import ModalScreen
from textual.suggester import Suggester
from textual.widget import Widget
from textual.widgets import ContentSwitcher, DataTable, Input, RichLog, Static

from fixserver.terminal import commands
from fixserver.terminal.commands import (
    PANES,
    Book,
    Cancel,
    CancelAll,
    Command,
    CommandError,
    Do,
    Enter,
    Replace,
    Show,
    Status,
)
from fixserver.terminal.ladder import Own, ladder, price_text, short, tape
from fixserver.terminal.link import Link, Place, Received, State
from fixserver.terminal.market import HIGH, LOW, OPENING, VOLUME, VWAP, Market
from fixserver.terminal.orders import Orders, Said, open_at

PAINT_SECONDS = 0.1
TAPE_WIDTH_MAX = 40
LOG_LINES_MAX = 1_000
HISTORY_MAX = 500
ROWS_MAX = 200  # of a table
REPRICED = "11"  # ExecRestatementReason(378) of a pegged order that has another price
DARK, LIGHT = "textual-dark", "textual-light"
COLUMNS = {
    "orders": ("id", "side", "quantity", "symbol", "terms", "done", "average", "status"),
    "executions": ("time", "id", "side", "quantity", "symbol", "price", "as", ""),
    "positions": ("symbol", "net", "bought", "sold", "average", "last", "profit"),
    "market": ("symbol", "bid", "offer", "last", "change", "volume", "phase"),
}
TONES = {"good": "$text-success", "bad": "$text-error", "fill": "bold $text-accent", "note": "$text"}
CONSOLE_TONES = {"good": "green", "bad": "red", "fill": "bold cyan", "note": "default"}
STATE_WORDS = {"connecting": "connecting", "on": "on", "lost": "LOST", "refused": "REFUSED"}
STATE_TONES = {"connecting": "$text-warning", "on": "$text-success", "lost": "bold $text-error", "refused": "bold $text-error"}


class Logged(NamedTuple):
    time: str
    tone: str
    text: str
    raw: str


class Ladder(Widget):
    """The book that is shown."""

    market: Market
    own: Own = {}  # noqa: RUF012  replaced, never changed

    def render(self) -> Content:
        return Content("\n").join(ladder(self.market, self.own, self.size.width, self.size.height))


class Tape(Widget):
    """Its trades."""

    market: Market

    def render(self) -> Content:
        seen = self.market.seen
        tick = seen.terms.tick if seen is not None else Decimal("0.01")
        return Content("\n").join(tape(self.market.tape, tick, min(self.size.width, TAPE_WIDTH_MAX), self.size.height))


class Table(DataTable[Any]):
    """Rows by key that are brought up to date in place, so that the cursor stays where it is."""

    def __init__(self, name: str) -> None:
        super().__init__(id=name, cursor_type="row", cursor_foreground_priority="renderable")
        self._shown: dict[str, tuple[Any, ...]] = {}

    def on_mount(self) -> None:
        assert self.id is not None
        for number, title in enumerate(COLUMNS[self.id]):
            self.add_column(title, key=str(number))

    def show(self, rows: dict[str, tuple[Any, ...]]) -> None:
        """Have these rows. Only what differs is touched; where their order differs, all is made anew."""
        kept = [key for key in self._shown if key in rows]
        if list(rows)[: len(kept)] != kept:
            self.clear()
            self._shown.clear()
        for key in [key for key in self._shown if key not in rows]:
            self.remove_row(key)
            del self._shown[key]
        for key, row in rows.items():
            before = self._shown.get(key)
            if before is None:
                self.add_row(*row, key=key)
            elif before != row:
                for number, cell in enumerate(row):
                    if before[number] != cell:
                        self.update_cell(key, str(number), cell, update_width=True)
            self._shown[key] = row


class Words(Suggester):
    """What the word that is being typed may become."""

    def __init__(self, words: Callable[[str], list[str]]) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._words = words

    async def get_suggestion(self, value: str) -> str | None:
        # It takes the place of what was typed, so it has to begin with that, letter for letter.
        return next((value + one[len(value) :] for one in self._words(value)), None)


class CommandLine(Input):
    """An input with a history."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "older", show=False),
        Binding("down", "newer", show=False),
        Binding("tab", "complete", show=False),
    ]

    def __init__(self, words: Callable[[str], list[str]]) -> None:
        super().__init__(placeholder="buy 100 AAPL 189.50 · help", id="line", suggester=Words(words), compact=True)
        self._words = words
        self._history: deque[str] = deque(maxlen=HISTORY_MAX)
        self._at = 0  # so many back from the newest; 0 is what is being typed
        self._typed = ""

    def remember(self, line: str) -> None:
        if line and (not self._history or self._history[-1] != line):
            self._history.append(line)
        self._at = 0

    def action_older(self) -> None:
        if self._at < len(self._history):
            if not self._at:
                self._typed = self.value
            self._recall(self._at + 1)

    def action_newer(self) -> None:
        if self._at:
            self._recall(self._at - 1)

    def _recall(self, at: int) -> None:
        self._at = at
        self.put(self._history[-at] if at else self._typed)

    def action_complete(self) -> None:
        found = self._words(self.value)
        if found:
            self.put(found[0] + " ")

    def put(self, text: str) -> None:
        self.value = text
        self.cursor_position = len(text)


class Help(ModalScreen[None]):
    """What may be typed."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,f1,q,enter,question_mark", "app.pop_screen", show=False)]

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="help"):
            yield Static(Content.from_markup(commands.HELP))

    def on_mount(self) -> None:
        self.query_one("#help").focus()


class TradeApp(App[str]):
    """Its result is empty, or why the venue let nobody in."""

    TITLE = "fixserver"
    ENABLE_COMMAND_PALETTE = False
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide")]  # noqa: RUF012  as Textual declares it
    CSS = """
    #head { height: 2; background: $panel; padding: 0 1; }
    #body { layout: grid; height: 1fr; }
    .-narrow #body { grid-size: 2 2; grid-columns: 1fr 30; grid-rows: 3fr 2fr; }
    .-narrow #below { column-span: 2; }
    .-wide #body { grid-size: 2 2; grid-columns: 44 1fr; grid-rows: 1fr 2fr; }
    .-wide #ladder { row-span: 2; }
    #ladder { padding: 0 1; }
    #tape { padding: 0 1; border-left: solid $panel; }
    #tabs { height: 1; background: $panel; padding: 0 1; }
    #panes { height: 1fr; }
    DataTable, RichLog { height: 1fr; scrollbar-size-vertical: 1; background: $background; }
    #answer { height: 1; padding: 0 1; background: $background; }
    #bottom { height: 1; layout: horizontal; background: $surface; }
    #prompt { width: 2; color: $text-accent; }
    #line { width: 1fr; }
    Help { align: center middle; }
    #help { width: 100%; max-width: 82; height: auto; max-height: 100%; }
    #help { background: $panel; border: round $accent; padding: 0 1; scrollbar-size-vertical: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f1", "help", show=False),
        *(Binding(f"f{number}", f"pane('{pane}')", show=False) for number, pane in enumerate(PANES, 2)),
        Binding("f7", "theme", show=False),
        Binding("escape", "to_line", show=False, priority=False),
        Binding("ctrl+c,ctrl+q", "quit", show=False, priority=True),
    ]

    def __init__(self, place: Place, clock: Callable[[], float] = time.time) -> None:
        super().__init__()
        self.theme = DARK
        self.place = place
        self.orders = Orders(place.participant, f"T{int(clock() * 1000):x}")
        self.exchange = Link(
            place.exchange_host, place.exchange_port, place.participant, place.exchange_name, place.password,
            on_state=self._on_exchange, on_message=self._on_report, tls=place.tls,
        )  # fmt: skip
        self.feed = Link(
            place.feed_host, place.feed_port, place.participant, place.feed_name, place.password,
            on_state=self._on_feed, on_message=self._on_market_data, tls=place.tls,
        )  # fmt: skip
        self.market = Market(self.feed.send, place.symbol)
        self.log_lines: deque[Logged] = deque(maxlen=LOG_LINES_MAX)
        self.answer = ""
        self.pane = "orders"
        self.raw = False
        self.paints = 0
        self._clock = clock
        self._dirty = True
        self._second = 0

    # ------------------------------------------------------------------------------------------------- the screen

    def compose(self) -> ComposeResult:
        yield Static(id="head")
        with Container(id="body"):
            yield Ladder(id="ladder")
            yield Tape(id="tape")
            with Vertical(id="below"):
                yield Static(id="tabs")
                with ContentSwitcher(id="panes", initial="orders"):
                    for name in COLUMNS:
                        yield Table(name)
                    yield RichLog(id="log", max_lines=LOG_LINES_MAX, wrap=True, markup=True, highlight=False, min_width=0)
        yield Static(id="answer")
        with Container(id="bottom"):
            yield Static("> ", id="prompt")
            yield CommandLine(self._words)

    def on_mount(self) -> None:
        self.query_one(Ladder).market = self.market
        self.query_one(Tape).market = self.market
        self.query_one(CommandLine).focus()
        self.exchange.start()
        self.feed.start()
        self.set_interval(PAINT_SECONDS, self._paint)

    async def action_quit(self) -> None:
        await self.leave("")

    async def leave(self, why: str) -> None:
        await self.exchange.stop()
        await self.feed.stop()
        self.exit(why)

    def _words(self, line: str) -> list[str]:
        return commands.complete(line, self.market.symbols, reversed(list(self.orders.open)))

    def _paint(self) -> None:
        """Draw what has changed since the last time."""
        if not self.is_running:  # it is being left: the timer goes on for longer than there is something to draw on
            return
        second = int(self._clock())
        if second != self._second:
            self._second = second
            self._paint_head()
        if not self._dirty or len(self.screen_stack) > 1:
            return
        self._dirty = False
        self.paints += 1
        self._paint_head()
        book = self.query_one(Ladder)
        book.own = open_at(self.orders.open.values(), self.market.shown)
        book.refresh()
        self.query_one(Tape).refresh()
        self._paint_pane()

    def _paint_head(self) -> None:
        seen = self.market.seen
        states = [
            part
            for what, link in (("orders", self.exchange), ("feed", self.feed))
            for part in (("  " + what + " ", "$foreground-muted"), (STATE_WORDS[link.state], STATE_TONES[link.state]))
        ]
        clock = time.strftime("%H:%M:%S", time.gmtime(self._second))
        phase = seen.phase.partition(" until ")[0] if seen is not None else ""
        shown = self.market.shown or "no instrument"
        head = [(self.place.participant, "bold"), ("  ", ""), (shown, "bold $text-accent"), (f" {phase}", "")]
        width = self.size.width - 2
        used = sum(len(text) for text, _ in (*head, *states)) + len(clock) + 2
        first = Content.assemble(*head, " " * max(1, width - used), *states, ("  " + clock, "$foreground-muted"))
        self.query_one("#head", Static).update(Content("\n").join([first, self._day(width)]))

    def _day(self, width: int) -> Content:
        """The day's prices of the instrument that is shown, as far as there is room; what the feed refused, if it did."""
        if self.market.trouble:
            return Content.styled(self.market.trouble[:width], "$text-error")
        seen = self.market.seen
        if seen is None:
            return Content("")
        found = []
        tick, prices = seen.terms.tick, self.market.book.statistics
        for what, kind in (("open", OPENING), ("high", HIGH), ("low", LOW), ("vwap", VWAP)):
            if kind in prices:
                found.append(f"{what} {price_text(prices[kind], tick)}")
        if VOLUME in prices:
            found.append(f"volume {short(prices[VOLUME], 12)}")
        if seen.last is not None and seen.change is not None:
            found.insert(0, f"{price_text(seen.last, tick)} {_signed(seen.change, tick)}")
        return Content.styled("  ".join(found)[:width], "$foreground-muted")

    def _paint_pane(self) -> None:
        counts = {"orders": len(self.orders.open), "executions": len(self.orders.executions)}
        tabs: list[tuple[str, str]] = []
        for number, pane in enumerate(PANES, 2):
            count = f" {counts[pane]}" if counts.get(pane) else ""
            tabs.append((f" F{number} ", "$foreground-muted"))
            tabs.append((f"{pane}{count} ", "bold reverse" if pane == self.pane else ""))
        self.query_one("#tabs", Static).update(Content.assemble(*tabs))
        if self.pane != "log":
            rows = {"orders": self._orders, "executions": self._executions, "positions": self._positions, "market": self._market}
            self.query_one(f"#{self.pane}", Table).show(rows[self.pane]())

    def _orders(self) -> dict[str, tuple[Any, ...]]:
        newest = list(self.orders.open.values())[: -ROWS_MAX - 1 : -1]
        return {
            order.handle: (
                order.handle, _side(order.side), str(order.quantity), order.symbol, order.terms,
                str(order.executed) if order.executed else "", str(order.average) if order.executed else "",
                f"{order.pending}…" if order.pending else ("sent…" if order.status == "sent" else order.status),
            )
            for order in newest
        }  # fmt: skip

    def _executions(self) -> dict[str, tuple[Any, ...]]:
        newest = list(self.orders.executions)[: -ROWS_MAX - 1 : -1]
        return {
            one.exec_id: (
                one.time, one.handle, _side(one.side), str(one.quantity), one.symbol, str(one.price), one.liquidity, one.status
            )
            for one in newest
        }  # fmt: skip

    def _positions(self) -> dict[str, tuple[Any, ...]]:
        rows: dict[str, tuple[Any, ...]] = {}
        for symbol, position in sorted(self.orders.positions.items())[:ROWS_MAX]:
            seen = self.market.instruments.get(symbol)
            tick = seen.terms.tick if seen is not None else Decimal("0.01")
            last = seen.last if seen is not None else None
            average = price_text(position.value / position.net, tick) if position.net else ""
            profit = "" if last is None else _signed(position.net * last - position.value, Decimal("0.01"))
            shown = "" if last is None else price_text(last, tick)
            rows[symbol] = (symbol, f"{position.net:+f}", str(position.bought), str(position.sold), average, shown, profit)
        return rows

    def _market(self) -> dict[str, tuple[Any, ...]]:
        rows: dict[str, tuple[Any, ...]] = {}
        for symbol, seen in list(self.market.instruments.items())[:ROWS_MAX]:
            tick, bid, offer, volume = seen.terms.tick, seen.bid, seen.offer, seen.best.statistics.get(VOLUME)
            rows[symbol] = (
                symbol,
                price_text(bid.price, tick) if bid is not None else "",
                price_text(offer.price, tick) if offer is not None else "",
                price_text(seen.last, tick) if seen.last is not None else "",
                _signed(seen.change, tick) if seen.change is not None else "",
                short(volume, 10) if volume is not None else "",
                seen.phase,
            )
        return rows

    # --------------------------------------------------------------------------------------------- what is typed

    def action_help(self) -> None:
        if not isinstance(self.screen, Help):
            self.push_screen(Help())

    def action_pane(self, pane: str) -> None:
        self.pane = pane
        self.query_one("#panes", ContentSwitcher).current = pane
        self._paint_pane()
        if pane == "log":
            self._write_log()

    def action_theme(self) -> None:
        self.theme = LIGHT if self.theme == DARK else DARK
        self._dirty = True

    def action_to_line(self) -> None:
        self.query_one(CommandLine).focus()

    def on_key(self, event: events.Key) -> None:
        """On a table: Delete and Enter put the command about the row into the command line, where a second Enter sends it."""
        table = self.focused
        if not isinstance(table, Table) or not table.row_count:
            return
        key = str(table.coordinate_to_cell_key(table.cursor_coordinate).row_key.value)
        text = {
            ("orders", "delete"): f"cancel {key}", ("orders", "enter"): f"replace {key} ", ("market", "enter"): f"book {key}",
        }.get((table.id or "", event.key))  # fmt: skip
        if text is not None:
            event.stop()
            line = self.query_one(CommandLine)
            line.put(text)
            line.focus()

    async def on_input_submitted(self, event: Input.Submitted) -> None:
        line, typed = self.query_one(CommandLine), event.value.strip()
        if not typed:
            return
        line.remember(typed)
        line.put("")
        try:
            command = commands.parse(typed)
            said = await self._do(command)
        except CommandError as error:
            self._say(Said("bad", str(error)))
            if error.word:  # so that it can be mended
                line.put(typed)
            return
        if said is not None:
            self._say(said)

    async def _do(self, command: Command) -> Said | None:
        """Do what was typed. Raises CommandError where it cannot be done."""
        if isinstance(command, Book):
            self.market.show(self._known(command.symbol))
            self._dirty = True
            return None
        if isinstance(command, Show):
            self.action_pane(command.pane)
            return None
        if isinstance(command, Do):
            await self._do_here(command)
            return None
        if not self.exchange.is_on:
            raise CommandError("not connected to the exchange: nothing was sent")
        if isinstance(command, Enter):
            order, body = self.orders.enter(command, self._known(command.symbol or self.market.shown))
            if not self._send("D", body):
                self.orders.not_sent(order)
                raise CommandError("the connection was lost: nothing was sent")
            return Said("note", f"{order.handle} {order.text}: sent")
        if isinstance(command, CancelAll):
            self._send("q", self.orders.cancel_all(self._known(command.symbol) if command.symbol else ""))
            return None
        if isinstance(command, Status) and not command.order:
            self._send("AF", self.orders.ask_all())
            return Said("note", "asked for every open order")
        order = self.orders.find(command.order)
        if isinstance(command, Status):
            self._send("H", self.orders.ask(order))
        elif isinstance(command, Cancel):
            self._send("F", self.orders.cancel(order))
        elif isinstance(command, Replace):
            self._send("G", self.orders.replace(order, command))
        return None

    async def _do_here(self, command: Do) -> None:
        if command.what == "help":
            self.action_help()
        elif command.what == "theme":
            self.action_theme()
        elif command.what == "raw":
            self.raw = not self.raw
            self.action_pane("log")
        else:
            await self.leave("")

    def _known(self, symbol: str) -> str:
        if not symbol:
            raise CommandError("which instrument? none is shown")
        if self.market.instruments and symbol not in self.market.instruments:
            some = ", ".join(self.market.symbols[:8])
            raise CommandError(f"{symbol} is not traded here: {some}{', …' if len(self.market.symbols) > 8 else ''}", symbol)
        return symbol

    # ------------------------------------------------------------------------------------------ what is said

    def _send(self, msg_type: str, body: str) -> bool:
        self._dirty = True
        sent = self.exchange.send(msg_type, body)
        self._note("note", f"→ {_SENT.get(msg_type, msg_type)}", f"35={msg_type}\x01{body}")
        return sent

    def _say(self, said: Said, raw: str = "") -> None:
        self.answer = said.text
        self.query_one("#answer", Static).update(Content.styled(said.text[: max(1, self.size.width - 2)], TONES[said.tone]))
        self._note(said.tone, said.text, raw)
        self._dirty = True

    def _note(self, tone: str, text: str, raw: str) -> None:
        clock = time.strftime("%H:%M:%S", time.gmtime(self._clock()))
        self.log_lines.append(Logged(clock, tone, text, raw.replace("\x01", "|")))
        if self.pane == "log":
            self._write_line(self.log_lines[-1])

    def _write_log(self) -> None:
        self.query_one(RichLog).clear()
        for one in self.log_lines:
            self._write_line(one)

    def _write_line(self, one: Logged) -> None:
        # A FIX message has its time in it, and is one long word, for which a line begins anew.
        head, text = ("", one.raw) if self.raw and one.raw else (f"[dim]{one.time}[/dim] ", one.text)
        self.query_one(RichLog).write(f"{head}[{CONSOLE_TONES[one.tone]}]{escape(text)}")

    # ------------------------------------------------------------------------------------------ what comes

    def _on_exchange(self, state: State, why: str) -> None:
        self._dirty = True
        if state == "on":
            again = self.exchange.logons > 1
            self._say(Said("good", "orders: connected again, asking how the orders stand" if again else "orders: connected"))
            self._send("AF", self.orders.ask_all())
        elif state == "lost":
            self.orders.connection_lost()
            if why.endswith("without an answer to the Logon"):
                why += f" (is {self.place.participant} logged on elsewhere with FIX 5.0SP2, or unknown here?)"
            self._say(Said("bad", f"orders: {why}; trying again"))
        elif state == "refused":
            self.run_worker(self.leave(why), exclusive=True)

    def _on_feed(self, state: State, why: str) -> None:
        self._dirty = True
        if state == "on":
            self.market.trouble = ""
            self.market.on_logon()
        else:
            self.market.on_lost()
            self._note("bad", f"feed: {why}", "")

    def _on_report(self, message: Received) -> None:
        self._dirty = True
        asking = self.orders.asking
        said = self.orders.take(message)
        if asking and not self.orders.asking and message["35"] == "8":
            for order in self.orders.unnamed():
                self._send("H", self.orders.ask(order))
        if said is not None and message.get("378") == REPRICED:
            self._note(said.tone, said.text, message.text)  # a pegged order may have hundreds: no answer to anything that was typed
        elif said is not None:
            self._say(said, message.text)
        elif message["35"] != "h":
            self._note("note", f"← {_CAME.get(message['35'], message['35'])}", message.text)

    def _on_market_data(self, message: Received) -> None:
        self.market.take(message)
        self._dirty = True


_SENT = {
    "D": "new order", "F": "cancel", "G": "replace", "q": "cancel all", "AF": "how do the orders stand?", "H": "how does it stand?",
}  # fmt: skip
_CAME = {"8": "report", "f": "phase of an instrument"}


def _side(side: str) -> Content:
    return Content.styled(side, "$text-success" if side == "buy" else "$text-error")


def _signed(number: Decimal, tick: Decimal) -> str:
    return ("+" if number > 0 else "") + price_text(number, tick)


def rows_of(table: Table) -> Sequence[tuple[str, ...]]:
    """The cells of a table as text."""
    return [tuple(str(cell) for cell in table.get_row_at(at)) for at in range(table.row_count)]

"""What plays a scenario against a venue, as one client, the market that he trades with, and the operator; it knows no rule."""

from __future__ import annotations

import json
import socket
from collections import defaultdict, deque
from dataclasses import dataclass, field

from tests.matrices.notation import REQUESTS, TAGS, Row, Scenario
from tests.orders.desk import check
from tests.venue import Client, Message, Venue, utc

WAIT_SECONDS = 10.0  # for an answer
PRICE = "100.00"
BUY, SELL = "1", "2"
RESPONSE_TO = {"F": "1", "G": "2"}  # CxlRejResponseTo(434), by the request
OF_ORDERS = ("8", "9")  # the rest is of the session, or news of the market


class Post:
    """A client's connection, whose messages are sorted by the instrument that begins their ClOrdIDs: many scenarios share it."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._waiting: dict[str, deque[Message]] = defaultdict(deque)
        self._questions = 0

    def next(self, symbol: str) -> Message:
        """The next message about an order, good by the dictionaries."""
        waiting = self._waiting[symbol]
        while not waiting:
            self._receive()
        return waiting.popleft()

    def rest(self, symbol: str) -> list[Message]:
        """What has come for an instrument and was not looked at, up to the answer to a question that is asked now."""
        self._questions += 1
        question = f"{symbol}-question-{self._questions}"
        self.client.send("H", f"11={question}|55={symbol}|54=1|")
        waiting = self._waiting[symbol]
        while not waiting or waiting[-1][11] != question:
            self._receive()
        found = list(waiting)[:-1]
        waiting.clear()
        return found

    def _receive(self) -> None:
        message = self.client.receive(WAIT_SECONDS)
        if message.type == "1":
            self.client.send("0", f"112={message[112]}|")
        elif message.type in OF_ORDERS:
            check(self.client.begin_string, message)
            self._waiting[message[11].partition("-")[0]].append(message)

    def come_back(self) -> None:
        """Log on again and ask for what was missed, which then comes like anything else."""
        first = self.client.next_in
        self.client.connect()
        self.client.logon()
        self.client.send("2", f"7={first}|16=0|")


class Otherwise(AssertionError):
    """The venue did something else than the row says."""


class Operator:
    """Whoever runs the venue, at its socket."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue

    def does(self, action: str, *, refused: bool = False, **arguments: str | int) -> None:
        """AssertionError where that is refused, or, where it is to be, is not."""
        path = self._venue.data / "admin.sock"
        with socket.socket(socket.AF_UNIX) as connection, connection.makefile("rwb") as lines:
            connection.connect(str(path))
            lines.write(json.dumps({"action": action, "arguments": arguments}).encode() + b"\n")
            lines.flush()
            answer = json.loads(lines.readline())
        assert answer["ok"] != refused, f"{action} {arguments}: {answer}"


@dataclass
class Player:
    """One scenario on one version: an instrument of its own, and ClOrdIDs of its own of two participants who play all of them."""

    scenario: Scenario
    version: str
    client: Post
    market: Post
    symbol: str
    operator: Operator
    _order_ids: dict[str, str] = field(default_factory=dict)  # by ClOrdID's letter
    _exec_ids: dict[str, str] = field(default_factory=dict)  # by the matrix's letter
    _trades: dict[str, str] = field(default_factory=dict)  # what a letter is about: the ExecID that the trade was first reported by
    _all_exec_ids: set[str] = field(default_factory=set)
    _requests: dict[str, str] = field(default_factory=dict)  # MsgType by ClOrdID's letter
    _market_orders: int = 0
    _unsent: list[bytes] = field(default_factory=list)

    def play(self, act: int) -> None:
        """Play one act to its end, behind which nothing more comes. Raises Otherwise."""
        for row in self.scenario.acts[act]:
            try:
                if row.kind == ">":
                    self._unsent.append(self._request(row))
                    continue
                self._flush()
                if row.kind == "<":
                    self._compare(row, self.client.next(self.symbol))
                else:
                    self._act(dict(row.action))
            except (AssertionError, KeyError) as error:  # KeyError: a letter that nothing has
                raise Otherwise(f"{self.scenario.file.name}:{row.line} on {self.version}\n     row {row.text}\n{error}") from None
        self._flush()
        rest = self.client.rest(self.symbol)
        assert not rest, f"{self.scenario.file.name}:{self.scenario.line} on {self.version}: what no row says: {rest}"

    # ------------------------------------------------------------------------------------------ the client

    def _id(self, letter: str) -> str:
        """A ClOrdID that no other scenario has."""
        return f"{self.symbol}-{letter}"

    def _request(self, row: Row) -> bytes:
        """The message of a row that the venue receives."""
        named = row.named(self.version)
        header = "97=Y|" if named.pop("PossResend", "") else ""
        fields = {11: self._id(row.cl_ord_id), 55: self.symbol, 54: BUY}
        if row.orig_cl_ord_id:
            fields[41] = self._id(row.orig_cl_ord_id)
        if row.message != "Status Request":
            fields |= {60: utc(), 38: row.quantities[0]}
            self._requests[row.cl_ord_id] = REQUESTS[row.message]
        if row.message in ("New Order", "Replace Request"):
            fields |= {21: "1", 40: "2", 44: PRICE}
        fields |= {TAGS[name]: value for name, value in named.items()}
        body = "".join(f"{tag}={value}|" for tag, value in fields.items() if value not in ("", "-"))
        return self.client.client.build(REQUESTS[row.message], body, header=header)

    def _flush(self) -> None:
        """Send what has gathered: requests that follow each other in a table are one packet."""
        if self._unsent:
            self.client.client.send_many(self._unsent)
            self._unsent.clear()

    def _compare(self, row: Row, message: Message) -> None:
        """Every field that the row names, and what is true of every report."""
        wanted = row.expected(self.version)
        wanted[11] = self._id(row.cl_ord_id)
        wanted[41] = self._id(row.orig_cl_ord_id) if row.orig_cl_ord_id else "-"
        wanted[37] = self._order_id(row, message)
        if row.message == "Cancel Reject":
            wanted |= {35: "9", 434: RESPONSE_TO[self._requests[row.cl_ord_id]]}
        else:
            wanted |= {35: "8", 55: self.symbol} | self._exec_id(row, message)
        found = {tag: message.get(tag, "-") for tag in wanted}
        if found.get(32) == "0":
            found[32] = "-"
        wrong = {tag: (value, found[tag]) for tag, value in wanted.items() if value != found[tag]}
        assert not wrong, f"     got {message}\n  differs in {wrong} (what is wanted, what came)"

    def _order_id(self, row: Row, message: Message) -> str:
        """OrderID is an order's own and stays the same over all replaces; of a report about no order it is as the row says."""
        said = row.named(self.version).get("OrderID", "")
        letters = [letter for letter in (row.orig_cl_ord_id, row.cl_ord_id) if letter in self._order_ids]
        if said not in ("", "new"):
            return said
        if letters and said != "new":
            order_id = self._order_ids[letters[0]]
        else:
            order_id = message.get(37)
            assert order_id.isdigit() and order_id not in self._order_ids.values(), f"     got {message}\n  of no new OrderID"
        if said != "new":
            self._order_ids[row.cl_ord_id] = order_id
        return order_id

    def _exec_id(self, row: Row, message: Message) -> dict[int, str]:
        """ExecID is new each time; ExecRefID is the ExecID of the report that the row names, and else not there."""
        exec_id = message.get(17)
        assert exec_id and exec_id not in self._all_exec_ids, f"     got {message}\n  whose ExecID is not new"
        self._all_exec_ids.add(exec_id)
        named = row.named(self.version)
        if "ExecID" in named:
            self._exec_ids[named["ExecID"]] = exec_id
            self._trades[named["ExecID"]] = self._trades[named["ExecRefID"]] if "ExecRefID" in named else exec_id
        return {19: self._exec_ids[named["ExecRefID"]] if "ExecRefID" in named else "-"}

    # -------------------------------------------------------------------------------------- what else happens

    def _act(self, action: dict[str, str]) -> None:
        deed = action["deed"]
        if deed in ("sells", "buys", "offers", "bids"):
            self._trade(deed, action["quantity"], action.get("price", PRICE))
        elif deed in ("halts", "resumes"):
            self.operator.does(deed.removesuffix("s"), symbol=self.symbol)
        elif deed == "sets":
            self.operator.does("phase", symbol=self.symbol, phase=action["name"])
        elif deed == "splits":
            self.operator.does("split", symbol=self.symbol, ratio=action["ratio"])
        elif deed == "cancels":
            self.operator.does("cancel order", order=int(self._order_ids[action["name"]]))
        else:
            terms = {name: action[name] for name in ("quantity", "price") if name in action}
            self.operator.does(deed.removesuffix("s"), refused="refused" in action, trade=self._trades[action["name"]], **terms)

    def _trade(self, deed: str, quantity: str, price: str) -> None:
        """The market's order, which has done all that it is to do when this returns."""
        self._market_orders += 1
        side = SELL if deed in ("sells", "offers") else BUY
        at_once = deed in ("sells", "buys")
        self.market.client.send(
            "D",
            f"11={self._id('market')}{self._market_orders}|21=1|55={self.symbol}|54={side}|60={utc()}|38={quantity}|40=2|44={price}|"
            f"59={'3' if at_once else '0'}|",
        )
        while True:
            message = self.market.next(self.symbol)
            assert message.get(39) in ("0", "1", "2"), f"the market's order came to nothing: {message}"
            if message[39] == ("2" if at_once else "0"):
                return

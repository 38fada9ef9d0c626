"""What one trader wants: draws requests of every kind for his version of FIX, and follows what he is told; it knows no socket."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field

from fixserver.dialects import DIALECTS
from matching.instruments import decimal_text
from tests.day.plan import NANOSECONDS, PAPERS, Paper, ns_of, units_of, utc_of
from tests.venue import Message, utc

OPEN_MAX = 14  # orders, after which he cancels more than he enters
MINUTE = 60 * NANOSECONDS
GATHERING = ("pre-open", "opening-auction", "volatility-auction", "closing-auction")
TRADING = ("continuous", "closing-price")
TAKEN = (*GATHERING, "continuous")
OPENING = ("pre-open", "opening-auction")

# Kinds of orders: how often they are drawn, and in which phases they are taken.
KINDS: dict[str, tuple[int, tuple[str, ...]]] = {
    "limit": (30, (*TAKEN, "closing-price")),
    "market": (5, (*TAKEN, "closing-price")),
    "good till canceled": (12, TAKEN),
    "good till a time": (5, TAKEN),
    "good till a date": (3, TAKEN),
    "limit at the opening": (8, OPENING),
    "market at the opening": (5, OPENING),
    "limit at the close": (5, TAKEN),
    "market at the close": (4, TAKEN),
    "immediate": (6, TRADING),
    "fill or kill": (4, TRADING),
    "with a minimum": (4, ("continuous",)),
    "post only": (6, TAKEN),
    "iceberg": (9, TAKEN),
    "stop": (7, TAKEN),
    "stop limit": (7, TAKEN),
    "left over as limit": (5, TAKEN),
    "pegged": (8, TAKEN),
    "self-match": (4, TAKEN),
    "dying with its session": (2, TAKEN),
}
PRICED = ("2", "4")
LASTING = ("0", "1", "6")


@dataclass
class Own:
    """An open order of his. `terms` are its fields, by tag, as he last said them."""

    order_id: str
    cl_ord_id: str
    paper: Paper
    side: str
    terms: dict[str, str]
    quantity: int


@dataclass
class Habits:
    """How often, of a hundred requests, he asks for what is not an order, a cancel or a replace."""

    quotes: int = 2
    lists: int = 5
    questions: int = 4
    mistakes: int = 4
    mass_cancels: int = 1


@dataclass
class Mind:
    """The trader behind one session. `name` is his CompID, `begin_string` his version."""

    name: str
    begin_string: str
    seed: int
    habits: Habits = field(default_factory=Habits)
    phases: dict[str, str] = field(default_factory=dict)
    now: int = 0  # the venue's time, as far as he was told
    kinds: Counter[str] = field(default_factory=Counter)  # what he has drawn

    def __post_init__(self) -> None:
        self.random = random.Random(f"{self.seed}-{self.name}")
        self.dialect = DIALECTS[self.begin_string]
        self._phase_of_code = {code: phase for phase, code in self.dialect.trading_status.items()}
        self.middles = {symbol: paper.reference for symbol, paper in PAPERS.items()}
        self.open: dict[str, Own] = {}  # by OrderID
        self._asked: dict[str, tuple[Paper, str, dict[str, str], int]] = {}  # by ClOrdID: what becomes an Own
        self._count = 0

    # --------------------------------------------------------------------------------------------- what he is told

    def take(self, message: Message) -> None:
        """A message that came for the first time."""
        stamp = message.get(60)
        if stamp:
            self.now = max(self.now, ns_of(stamp))
        if message.type == "8":
            self._take_report(message)
        elif message.type == "f" and message[55] in PAPERS:
            self.phases[message[55]] = self._phase_of_code[message[326]]
            if 31 in message.fields:
                self.middles[message[55]] = units_of(message[31], PAPERS[message[55]].price_decimals)

    def _take_report(self, message: Message) -> None:
        order_id, status = message[37], message[39]
        if message[17].startswith("S"):  # an answer to a question, or what never reached the core
            return
        if 31 in message.fields and message[55] in PAPERS:
            self.middles[message[55]] = units_of(message[31], PAPERS[message[55]].price_decimals)
        if status in ("2", "4", "8", "C"):
            self.open.pop(order_id, None)
            return
        cl_ord_id = message.get(11)
        if cl_ord_id in self._asked:
            paper, side, terms, quantity = self._asked.pop(cl_ord_id)
            self.open[order_id] = Own(order_id, cl_ord_id, paper, side, terms, quantity)

    # ------------------------------------------------------------------------------------------------ what he asks

    def request(self) -> tuple[str, str, str]:
        """MsgType, body, and by what the answer will be known."""
        chance = self.random.randrange(100)
        habits = self.habits
        for share, draw in (
            (habits.quotes, self._quotes), (habits.lists, self._list), (habits.questions, self._question),
            (habits.mistakes, self._mistake), (habits.mass_cancels, self._mass_cancel),
        ):  # fmt: skip
            if chance < share:
                return draw()
            chance -= share
        if self.open and (len(self.open) > OPEN_MAX or self.random.random() < 0.35):
            own = self.random.choice(list(self.open.values()))
            return self._replace(own) if self.random.random() < 0.5 else self._cancel(own)
        return self._order()

    def _name(self, kind: str) -> str:
        self._count += 1
        self.kinds[kind] += 1
        return f"{self.name.removeprefix('TRADER')}-{self._count}"

    def _paper(self) -> Paper:
        """Mostly one that can be traded now."""
        symbol = self.random.choice(("ACME", "ACME", "ACME", "BOLT", "BOLT", "COIN"))
        if self.phases.get(symbol) in ("closed", "halted") and self.random.random() < 0.7:
            symbol = "COIN"
        return PAPERS[symbol]

    def _order(self) -> tuple[str, str, str]:
        paper, side = self._paper(), self.random.choice("12")
        kind = self._kind(paper)
        name = self._name(kind)
        quantity = paper.lot * self.random.randint(1, paper.lots)
        terms = self._terms(kind, paper, side, quantity)
        self._asked[name] = paper, side, terms, quantity
        return "D", f"11={name}|21=1|55={paper.symbol}|54={side}|60={utc()}|{fields(terms)}", name

    def _kind(self, paper: Paper) -> str:
        """Most times one that is taken now; now and then the one that he has drawn least, so that none is left out."""
        phase = self.phases.get(paper.symbol, "pre-open")
        everywhere = self.random.random() < 0.06
        weights = {kind: weight for kind, (weight, taken) in KINDS.items() if everywhere or phase in taken}
        if not weights:
            return "limit"
        if self.random.random() < 0.2:
            return min(weights, key=lambda kind: self.kinds[kind])
        return self.random.choices(list(weights), list(weights.values()))[0]

    def price(self, paper: Paper, side: str, away: int | None = None) -> int:
        """Near the market, in whole ticks; `away` ticks from it, to the worse for whoever would trade with it."""
        if away is None:
            away = int(self.random.expovariate(0.1)) - 4
        middle = self.middles[paper.symbol]
        price = middle - away * paper.tick if side == "1" else middle + away * paper.tick
        return max(price // paper.tick * paper.tick, paper.tick)

    def _terms(self, kind: str, paper: Paper, side: str, quantity: int) -> dict[str, str]:
        """Quantity, type, price, time in force, conditions."""
        choose = self.random
        terms = {"38": decimal_text(quantity, paper.quantity_decimals)}
        limit = price_text(paper, self.price(paper, side))
        match kind:
            case "limit":
                terms |= {"40": "2", "44": limit, "59": "0"}
            case "market":
                terms |= {"40": "1", "59": "0"}
            case "good till canceled":
                terms |= {"40": "2", "44": price_text(paper, self.price(paper, side, choose.randint(2, 40))), "59": "1"}
            case "good till a time":
                later = max(self.now, 1) + choose.randint(2, 90) * MINUTE
                terms |= {"40": "2", "44": limit, "59": "6", "126": utc_of(later)}
            case "good till a date":
                terms |= {"40": "2", "44": limit, "59": "6", "432": utc_of(max(self.now, 1) + 1440 * MINUTE)[:8]}
            case "limit at the opening":
                terms |= {"40": "2", "44": limit, "59": "2"}
            case "market at the opening":
                terms |= {"40": "1", "59": "2"}
            case "limit at the close":
                terms |= {"40": "2", "44": limit, "59": "7"}
            case "market at the close":
                terms |= {"40": "1", "59": "7"}
            case "immediate":
                terms |= {"40": "2", "44": limit, "59": "3"}
            case "fill or kill":
                terms |= {"40": "2", "44": limit, "59": "4"}
            case "with a minimum":
                least = paper.lot * choose.randint(1, quantity // paper.lot)
                terms |= {"40": "2", "44": limit, "59": "3", "110": decimal_text(least, paper.quantity_decimals)}
            case "post only":
                terms |= {"40": "2", "44": limit, "59": "0", "18": "6"}
            case "iceberg":
                shown = paper.lot * choose.randint(1, max(quantity // paper.lot // 3, 1))
                terms |= {"40": "2", "44": limit, "59": choose.choice("01")}
                terms[self.dialect.display_quantity] = decimal_text(shown, paper.quantity_decimals)
            case "stop":
                terms |= {"40": "3", "99": price_text(paper, self._stop_price(paper, side)), "59": choose.choice("001")}
            case "stop limit":
                stop = self._stop_price(paper, side)
                slip = choose.randint(0, 10) * paper.tick
                terms |= {
                    "40": "4", "44": price_text(paper, stop + slip if side == "1" else stop - slip),
                    "99": price_text(paper, stop), "59": choose.choice("001"),
                }  # fmt: skip
            case "left over as limit":
                terms |= {"40": "K", "59": "0"}
            case "pegged":
                terms |= {"40": "P", "59": "0", **self._peg(paper, side)}
            case "self-match":
                terms |= {"40": "2", "44": limit, "59": "0", self.dialect.self_match_id: choose.choice("ab")}
                terms[self.dialect.self_match_instruction] = choose.choice("1234")
            case "dying with its session":
                terms |= {"40": "2", "44": limit, "59": choose.choice("01"), "18": "o"}
        return terms

    def _stop_price(self, paper: Paper, side: str) -> int:
        """A buy is triggered above the market, a sell below."""
        return self.price(paper, "2" if side == "1" else "1", self.random.randint(1, 12))

    def _peg(self, paper: Paper, side: str) -> dict[str, str]:
        choose = self.random
        offset = choose.choice((0, 0, 1, 2, 5)) * paper.tick * (-1 if side == "1" else 1)
        letter, code = choose.choice((("R", "5"), ("M", "2"), ("P", "4")))
        terms = {"1094": code} if self.dialect.peg_price_type else {"18": letter}
        terms["211"] = decimal_text(offset, paper.price_decimals)
        if choose.random() < 0.5:
            terms["44"] = price_text(paper, self.price(paper, side, -choose.randint(5, 40)))
        return terms

    def _cancel(self, own: Own) -> tuple[str, str, str]:
        name = self._name("cancel")
        quantity = f"38={own.terms['38']}|"
        body = f"41={own.cl_ord_id}|11={name}|55={own.paper.symbol}|54={own.side}|60={utc()}|{quantity}"
        return "F", body, name

    def _replace(self, own: Own) -> tuple[str, str, str]:
        """Another price, another quantity, both, or neither; now and then another kind of order."""
        name, paper, choose = self._name("replace"), own.paper, self.random
        quantity, terms = own.quantity, dict(own.terms)
        if choose.random() < 0.6:
            quantity = max(quantity + choose.randint(-20, 15) * paper.lot, paper.lot)
            terms["38"] = decimal_text(quantity, paper.quantity_decimals)
        if "44" in terms and choose.random() < 0.6:
            terms["44"] = price_text(paper, self.price(paper, own.side))
        if choose.random() < 0.1:
            terms = self._terms(self._kind(paper), paper, own.side, quantity)
        self._asked[name] = paper, own.side, terms, quantity
        body = f"41={own.cl_ord_id}|11={name}|21=1|55={paper.symbol}|54={own.side}|60={utc()}|{fields(terms)}"
        return "G", body, name

    def _list(self) -> tuple[str, str, str]:
        """One cancels the other: profit or stop. One triggers the other: when it is filled, the same two ways out."""
        paper, side, choose = self._paper(), self.random.choice("12"), self.random
        out = "2" if side == "1" else "1"
        triggers = choose.random() < 0.5
        list_id = self._name("one triggers the other" if triggers else "one cancels the other")
        quantity = paper.lot * choose.randint(1, paper.lots)
        orders: list[tuple[str, dict[str, str]]] = []
        size = decimal_text(quantity, paper.quantity_decimals)
        lasting = choose.choice("001")
        if triggers:
            orders.append((side, {"38": size, "40": "2", "44": price_text(paper, self.price(paper, side)), "59": lasting}))
        profit = self.price(paper, out, choose.randint(2, 15))
        orders.append((out, {"38": size, "40": "2", "44": price_text(paper, profit), "59": lasting}))
        if not triggers or choose.random() < 0.5:
            stop = self._stop_price(paper, out)
            orders.append((out, {"38": size, "40": "3", "99": price_text(paper, stop), "59": lasting}))
        entries = ""
        for place, (one_side, terms) in enumerate(orders, 1):
            name = f"{list_id}.{place}"
            self._asked[name] = paper, one_side, terms, quantity
            entries += f"11={name}|67={place}|21=1|55={paper.symbol}|54={one_side}|60={utc()}|{fields(terms)}"
        body = f"66={list_id}|394=3|1385={2 if triggers else 1}|68={len(orders)}|73={len(orders)}|{entries}"
        return "E", body, list_id

    def _quotes(self) -> tuple[str, str, str]:
        """Quotes of both sides, or their end."""
        choose = self.random
        quote_id = self._name("quotes")
        if choose.random() < 0.1:
            of_one = choose.random() < 0.5
            return "Z", f"117={quote_id}|298={1 if of_one else 4}|295=1|55={self._paper().symbol}|", quote_id
        papers = choose.sample(sorted(PAPERS), choose.randint(1, 2))
        entries = ""
        for number, symbol in enumerate(papers, 1):
            paper = PAPERS[symbol]
            width = choose.randint(1, 8)
            sizes = [decimal_text(paper.lot * choose.randint(1, paper.lots), paper.quantity_decimals) for _ in "12"]
            entries += f"299=e{number}|55={symbol}|"
            if choose.random() < 0.95:
                entries += f"132={price_text(paper, self.price(paper, '1', width))}|134={sizes[0]}|"
            if choose.random() < 0.95:
                entries += f"133={price_text(paper, self.price(paper, '2', width))}|135={sizes[1]}|"
        underlying = f"311={papers[0]}|" if self.begin_string == "FIX.4.2" else ""
        level = choose.choice(("", "301=2|", "301=3|" if self.begin_string == "FIXT.1.1" else ""))
        return "i", f"117={quote_id}|{level}296=1|302=s|{underlying}304={len(papers)}|295={len(papers)}|{entries}", quote_id

    def _mass_cancel(self) -> tuple[str, str, str]:
        name = self._name("mass cancel")
        scope = "530=7|" if self.random.random() < 0.3 else f"530=1|55={self._paper().symbol}|"
        return "q", f"11={name}|{scope}60={utc()}|", name

    def _question(self) -> tuple[str, str, str]:
        name, paper = self._name("question"), self._paper()
        match self.random.randrange(5):
            case 0 if self.open:
                own = self.random.choice(list(self.open.values()))
                # Whose name may have changed on the way: the order's number is what the answer is known by.
                said = f"37={own.order_id}|11={own.cl_ord_id}|55={own.paper.symbol}|54={own.side}|"
                return "H", said, f"status of {own.order_id}"
            case 1:
                return "AF", f"584={name}|585=7|", name
            case 2:
                return "g", f"335={name}|263=0|", name
            case 3:
                return "x", f"320={name}|559=4|", name
        return "e", f"324={name}|55={paper.symbol}|263=0|", name

    def _mistake(self) -> tuple[str, str, str]:
        """What the venue refuses, each in its way."""
        name, paper, choose = self._name("mistake"), self._paper(), self.random
        limit = price_text(paper, self.price(paper, "1"))
        head = f"11={name}|21=1|55={paper.symbol}|54=1|60={utc()}|"
        size = decimal_text(paper.lot, paper.quantity_decimals)
        wrong = (
            ("D", f"11={name}|21=1|55=NONE|54=1|60={utc()}|38=1|40=2|44=10|"),
            ("D", f"{head}38={size}|40=2|44={decimal_text(1, paper.price_decimals)}|"),  # far below the band
            ("D", f"{head}38={decimal_text(1_000_000 * paper.lot, paper.quantity_decimals)}|40=2|44={limit}|"),
            ("D", f"{head}38={size}|40=2|44={limit}|1=NOBODY|"),
            ("D", f"{head}38={size}|40=1|59=1|"),  # a market order that is good till canceled
            ("D", f"{head}38={size}|40=2|44={limit}|59=6|126=20200101-00:00:00|"),
            ("F", f"41=none|11={name}|55={paper.symbol}|54=1|60={utc()}|38={size}|"),
            ("G", f"41=none|{head}38={size}|40=2|44={limit}|"),
            ("q", f"11={name}|530=1|55=NONE|60={utc()}|"),
        )
        msg_type, body = choose.choice(wrong)
        return msg_type, body, name


def fields(terms: dict[str, str]) -> str:
    return "".join(f"{tag}={value}|" for tag, value in terms.items())


def price_text(paper: Paper, price: int) -> str:
    return decimal_text(price, paper.price_decimals)

"""Tells participants of their trades of the trading day: TradeCaptureReportRequest (AD). It keeps no trade.

What was is read from the event log, in portions; what comes is told as it happens, to those who want that. A trade is reported to
each of its sides with the ExecID of the fill, what was taken back or corrected with the ExecID of that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fixserver.enquiries import Enquiries
from fixserver.groups import entries_of
from fixserver.logscan import LogScans
from fixserver.reports import exec_id
from fixserver.requests import routing_of
from fixserver.sessions import SOH
from fixserver.values import ID_LENGTH_MAX, Decimals, utc_time
from matching.instruments import money_text
from matching.messages import Event, Side, TradeBusted, TradeCorrected, Traded

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fixserver.onbehalf import Speaker
    from matching.sequencer import Sequencer

TRADE_CAPTURE_REPORT_REQUEST_ACK, TRADE_CAPTURE_REPORT = "AQ", "AE"
SNAPSHOT, SUBSCRIBE, UNSUBSCRIBE = "0", "1", "2"  # SubscriptionRequestType(263)
SUBSCRIPTIONS_MAX = 20  # of a session
READING_MAX = 2  # requests of a participant for which the log is read at a time
REPORTS_MAX = 50_000  # in answer to one request: whoever wants more asks for a part of the day
TRADES, MATCHING = "0", "1"  # TradeRequestType(569)
ACCEPTED, COMPLETED, REJECTED = "0", "1", "2"  # TradeRequestStatus(750)
OK, UNKNOWN_INSTRUMENT, TYPE_NOT_SUPPORTED, OTHER = "0", "1", "8", "99"  # TradeRequestResult(749)
# What trades are not found by.
NOT_BY = {"11": "ClOrdID", "571": "TradeReportID", "818": "SecondaryTradeReportID", "820": "TradeLinkID"}
NO_SYMBOL = "[N/A]"
FOREVER = 2**63
_OTHER_SIDE: dict[Side, Side] = {"1": "2", "2": "1"}

Trade = Traded | TradeBusted | TradeCorrected


class Request:
    """One request that goes on: as long as the log is read for it, and after that where it is a subscription."""

    def __init__(self, captures: Captures, session: Speaker, fields: dict[str, str], first: int, from_ns: int, to_ns: int) -> None:
        self._captures = captures
        self.session = session
        self.fields = fields
        self.first = first
        self.from_ns, self.to_ns = from_ns, to_ns
        self.subscribes = fields.get("263") == SUBSCRIBE
        self.count = 0

    @property
    def key(self) -> tuple[str, str, str]:
        return self.session.name, self.session.participant, self.fields["568"]

    # What a search of the log is.

    @property
    def may_go_on(self) -> bool:
        return self.session.reads

    def take(self, events: list[Event], time_ns: int) -> bool:
        if self.from_ns <= time_ns < self.to_ns:
            for event in events:
                if isinstance(event, (Traded, TradeBusted, TradeCorrected)) and event.seq >= self.first:
                    self._captures.tell(self, event, time_ns)
        return self.count < REPORTS_MAX

    def end(self, problem: str) -> None:
        self._captures.end(self, problem)


class Captures:
    """Answers, and those who are told of what comes."""

    def __init__(self, core: Sequencer, enquiries: Enquiries, scans: LogScans, decimals: Mapping[str, Decimals]) -> None:
        self._core = core
        self._enquiries = enquiries
        self._scans = scans
        self._decimals = decimals
        self._reading: dict[tuple[str, str, str], Request] = {}
        self._live: dict[str, dict[tuple[str, str, str], Request]] = {}  # by participant: a trade concerns two

    # ----------------------------------------------------------------------------------------- requests

    def request(self, session: Speaker, fields: dict[str, str], text: str) -> None:
        """TradeCaptureReportRequest(AD): an answer (AQ), a report (AE) of each trade, and an answer behind the last."""
        key = session.name, session.participant, fields["568"]
        if fields.get("263") == UNSUBSCRIBE:
            found = self._live.get(session.participant, {}).pop(key, None) or self._reading.pop(key, None)
            if found is not None:
                self._scans.forget(found)
                self._answer(session, fields, COMPLETED, found.count)
            else:
                self._answer(session, fields, REJECTED, 0, OTHER, "there is no such subscription")
            return
        result, why = self._refusal(key, fields)
        first, last = 0, FOREVER
        if not result:
            try:
                first, last = _times(fields, text)
            except ValueError as error:
                result, why = OTHER, str(error)
        asked = Request(self, session, fields, self._core.engine.market.day_began + 1, first, last)
        if not result and not self._scans.begin(asked):
            result, why = OTHER, "too many ask for trades at the moment: ask again"
        if result:
            self._answer(session, fields, REJECTED, 0, result, why)
        else:
            self._reading[key] = asked
            self._answer(session, fields, ACCEPTED, 0)

    def _refusal(self, key: tuple[str, str, str], fields: dict[str, str]) -> tuple[str, str]:
        symbol = fields.get("55", "")
        if not 0 < len(fields["568"]) <= ID_LENGTH_MAX:
            return OTHER, f"a request is named by 1 to {ID_LENGTH_MAX} characters"
        if fields["569"] not in (TRADES, MATCHING):
            return TYPE_NOT_SUPPORTED, f"TradeRequestType {fields['569'][:8]} is not taken: 0 and 1 are"
        for tag, name in NOT_BY.items():
            if tag in fields:
                return OTHER, f"trades are not found by {name}({tag}): by Symbol, Side, OrderID, ExecID and times"
        if symbol and symbol not in self._core.engine.instruments:
            return UNKNOWN_INSTRUMENT, f"unknown symbol {symbol[:32]}"
        live = self._live.get(key[1], {})
        if key in self._reading or key in live:
            return OTHER, f"{fields['568']} is the name of a request that goes on"
        if sum(1 for known in (*self._reading, *live) if known[:2] == key[:2]) >= SUBSCRIPTIONS_MAX:
            return OTHER, f"{SUBSCRIPTIONS_MAX} requests go on already, which is the most"
        if sum(1 for known in self._reading if known[1] == key[1]) >= READING_MAX:
            return OTHER, f"{READING_MAX} requests are being answered: ask again"
        return "", ""

    def end(self, asked: Request, problem: str) -> None:
        """The log has been read for him."""
        if self._reading.pop(asked.key, None) is None:
            return
        if problem:
            self._answer(asked.session, asked.fields, REJECTED, asked.count, OTHER, "the trades of the day cannot be read")
        elif asked.count >= REPORTS_MAX:
            text = f"there may be more than {REPORTS_MAX}: ask for a part of the day"
            self._answer(asked.session, asked.fields, REJECTED, asked.count, OTHER, text)
        else:
            self._answer(asked.session, asked.fields, COMPLETED, asked.count)
            if asked.subscribes:
                self._live.setdefault(asked.session.participant, {})[asked.key] = asked

    def on_logout(self, session: str) -> None:
        """A session's requests end with it."""
        for requests in (self._reading, *self._live.values()):
            for key in [key for key in requests if key[0] == session]:
                self._scans.forget(requests.pop(key))

    def on_trade(self, event: Trade) -> None:
        """Something happens to a trade now."""
        if not self._live:
            return
        accounts = self._core.engine.accounts
        for name in dict.fromkeys(accounts[account].participant.name for account in (event.taker_account, event.maker_account)):
            for asked in self._live.get(name, {}).values():
                self.tell(asked, event, self._core.engine.time, unsolicited=True)

    # ------------------------------------------------------------------------------------------- reports

    def tell(self, asked: Request, event: Trade, time_ns: int, *, unsolicited: bool = False) -> None:
        """A report for each side of the trade that is his, as far as he wants it."""
        fields = asked.fields
        if fields.get("55", event.instrument) != event.instrument:
            return
        for maker in (False, True):
            account = self._core.engine.accounts[event.maker_account if maker else event.taker_account]
            if account.participant.name != asked.session.participant:
                continue
            side = _OTHER_SIDE[event.taker_side] if maker else event.taker_side
            execution, order_id = exec_id(event.seq, maker), _order_id(event, maker)
            said = ("54", side), ("17", execution), ("37", order_id)
            if all(fields.get(tag, value) == value for tag, value in said):
                asked.count += 1
                body = self._body(asked, event, maker, side, account.name, order_id, time_ns, unsolicited)
                asked.session.send(TRADE_CAPTURE_REPORT, body, routing_of(fields))

    def _body(
        self, asked: Request, event: Trade, maker: bool, side: Side, account: str, order_id: str, time_ns: int, unsolicited: bool
    ) -> str:
        decimals, instrument = self._decimals[event.instrument], self._core.engine.instruments[event.instrument]
        execution, of_trade = exec_id(event.seq, maker), ""
        trans_type, exec_type = "0", "F"
        if not isinstance(event, Traded):
            trans_type, exec_type = ("1", "H") if isinstance(event, TradeBusted) else ("2", "G")
            of_trade = f"572={exec_id(event.trade_seq, maker)}{SOH}"
        trade_seq = event.seq if isinstance(event, Traded) else event.trade_seq
        day = self._core.engine.trading_day or self._enquiries.today()
        fee = event.maker_fee if maker else event.taker_fee
        fees = f"136=1{SOH}137={money_text(fee)}{SOH}138={instrument.currency}{SOH}139=4{SOH}" if fee else ""
        value = money_text(event.price * event.quantity * instrument.value_unit)
        return (
            f"571={execution}{SOH}487={trans_type}{SOH}856=0{SOH}568={asked.fields['568']}{SOH}150={exec_type}{SOH}"
            f"{f'325=Y{SOH}' if unsolicited else ''}{of_trade}880={trade_seq}{SOH}17={execution}{SOH}570=N{SOH}"
            f"55={event.instrument}{SOH}32={decimals.quantity(event.quantity)}{SOH}31={decimals.price(event.price)}{SOH}75={day}{SOH}"
            f"60={self._enquiries.reports_of(asked.session).time(time_ns)}{SOH}552=1{SOH}54={side}{SOH}37={order_id}{SOH}1={account}{SOH}"
            f"15={instrument.currency}{SOH}381={value}{SOH}{fees}"
        )

    def _answer(
        self, session: Speaker, fields: dict[str, str], status: str, count: int, result: str = OK, text: str = ""
    ) -> None:
        symbol = fields.get("55") or NO_SYMBOL
        request = f"263={fields['263']}{SOH}" if "263" in fields else ""
        body = (
            f"568={fields['568']}{SOH}569={fields['569']}{SOH}{request}748={count}{SOH}749={result}{SOH}750={status}{SOH}"
            f"55={symbol}{SOH}{f'58={text}{SOH}' if text else ''}"
        )
        session.send(TRADE_CAPTURE_REPORT_REQUEST_ACK, body, routing_of(fields))


def _order_id(event: Trade, maker: bool) -> str:
    if isinstance(event, Traded):
        return str(event.maker_order_id if maker else event.taker_order_id)
    order = event.maker if maker else event.taker
    return str(order.order_id) if order is not None else "NONE"


def _times(fields: dict[str, str], text: str) -> tuple[int, int]:
    """From and to, in ns: the TransactTimes of NoDates(580), the first and, where there is one, the second. Raises ValueError."""
    if "580" not in fields:
        return 0, FOREVER
    found = list(_stamps(text))
    if not 1 <= len(found) <= 2 or found != sorted(found):
        raise ValueError("NoDates(580) has one TransactTime(60), from which on, or two: from and to")
    return found[0], found[1] if len(found) == 2 else FOREVER


def _stamps(text: str) -> Iterator[int]:
    first = "75" if f"{SOH}75=" in text else "60"
    for entry in entries_of(text, "580", first, frozenset()):
        if "60" not in entry:
            raise ValueError("trades of a day are those of the present trading day: say TransactTime(60) in NoDates(580)")
        try:
            yield utc_time(entry["60"])
        except ValueError:
            raise ValueError("TransactTime(60) in NoDates(580) is not a time") from None

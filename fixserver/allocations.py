"""AllocationInstruction (J) made AllocateTrade, and what a client is told of it (P). It moves nothing itself.

The fill is named by its ExecID, and looked up in the event log: the core wants to see the whole trade, and keeps none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from fixserver.enquiries import Enquiries
from fixserver.groups import entries_of
from fixserver.logscan import LogScans
from fixserver.requests import bounded_routing, routing_of
from fixserver.sessions import SOH
from fixserver.values import ID_LENGTH_MAX, InstrumentNumbers, Refused, checked_id, price_of, quantity_of
from matching.messages import AllocateTrade, AllocationRejected, Event, Reason, Share, Side, TradeAllocated, Traded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fixserver.onbehalf import Speaker
    from matching.sequencer import Sequencer

ALLOCATION_INSTRUCTION_ACK = "P"
SHARES_MAX = 100
EVENT_DIGITS_MAX = 18
NEW = "0"  # AllocTransType(71)
ACCEPTED, REJECTED = "0", "1"  # AllocStatus(87)
# AllocRejCode(88). FIX 4.2 ends with 7, which is "other" there and in 4.4.
UNKNOWN_ACCOUNT, QUANTITY, AVERAGE_PRICE, OTHER, SHARES, UNKNOWN_EXECUTION, MISMATCHED = "0", "1", "2", "7", "8", "10", "11"
CODES = {
    Reason.UNKNOWN_ACCOUNT: UNKNOWN_ACCOUNT,
    Reason.UNKNOWN_TRADE: UNKNOWN_EXECUTION,
    Reason.INVALID_QUANTITY: SHARES,
}
UP_TO_4_2 = (UNKNOWN_ACCOUNT, QUANTITY, AVERAGE_PRICE, OTHER)


class _Wrong(Exception):
    """Why an allocation is refused before the core: AllocRejCode and a text."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code, self.text = code, text


class _Looking:
    """One instruction whose fill is being looked up."""

    may_go_on = True

    def __init__(
        self, session: Speaker, fields: dict[str, str], shares: list[dict[str, str]], seq: int, done: Callable[[_Looking], None]
    ) -> None:
        self.session = session
        self.fields = fields
        self.shares = shares
        self.first = seq
        self.trade: Traded | None = None
        self._done = done

    def take(self, events: list[Event], time_ns: int) -> bool:
        found = next((event for event in events if event.seq == self.first), None)
        self.trade = found if isinstance(found, Traded) else None
        return False

    def end(self, problem: str) -> None:
        self._done(self)


class Allocations:
    """Instructions on their way to the core. `submit` takes their commands."""

    def __init__(
        self, core: Sequencer, enquiries: Enquiries, scans: LogScans, numbers: Mapping[str, InstrumentNumbers],
        submit: Callable[[AllocateTrade], None],
    ) -> None:  # fmt: skip
        self._core = core
        self._enquiries = enquiries
        self._scans = scans
        self._numbers = numbers
        self._submit = submit
        self._looking: set[_Looking] = set()

    def instruct(self, session: Speaker, fields: dict[str, str], text: str) -> None:
        """AllocationInstruction(J)."""
        try:
            shares = entries_of(text, "78", "79", frozenset())
            seq = self._wanted(fields, shares)
            looking = _Looking(session, fields, shares, seq, self._found)
            if not self._scans.begin(looking):
                raise _Wrong(OTHER, "too many ask for trades at the moment: send it again")
            self._looking.add(looking)
        except _Wrong as wrong:
            self._refuse(session, fields, wrong.code, wrong.text)

    def _wanted(self, fields: dict[str, str], shares: list[dict[str, str]]) -> int:
        """The number of the trade. Raises _Wrong."""
        try:
            checked_id(fields["70"], "AllocID")
        except Refused as refusal:
            raise _Wrong(OTHER, refusal.text) from None
        if fields["71"] != NEW:
            raise _Wrong(OTHER, f"AllocTransType {fields['71'][:8]} is not taken: what was allocated stays so")
        if fields.get("124") != "1" or "17" not in fields:
            raise _Wrong(UNKNOWN_EXECUTION, "one fill is allocated at a time: NoExecs(124) is 1, with its ExecID(17)")
        if not 1 <= len(shares) <= SHARES_MAX or fields.get("78") != str(len(shares)):
            raise _Wrong(OTHER, f"NoAllocs(78) has 1 to {SHARES_MAX} shares, each with AllocAccount(79) and AllocQty(80)")
        number, side = fields["17"][:-1], fields["17"][-1:]
        if side not in ("M", "T") or not (number.isascii() and number.isdigit() and len(number) <= EVENT_DIGITS_MAX):
            raise _unknown(fields)
        return int(number)

    def _found(self, looking: _Looking) -> None:
        """The log has been read as far as was needed."""
        self._looking.discard(looking)
        session, fields = looking.session, looking.fields
        try:
            self._submit(self._command(looking))
        except _Wrong as wrong:
            self._refuse(session, fields, wrong.code, wrong.text)
        except Refused as refusal:
            self._refuse(session, fields, self._code(session.begin_string, refusal.reason), refusal.text)

    def _command(self, looking: _Looking) -> AllocateTrade:
        """Raises _Wrong, Refused."""
        session, fields, trade = looking.session, looking.fields, looking.trade
        if trade is None:
            raise _unknown(fields)
        maker = fields["17"].endswith("M")
        account = self._core.engine.accounts[trade.maker_account if maker else trade.taker_account]
        if account.participant.name != session.participant:  # as if there were no such trade
            raise _unknown(fields)
        side: Side = trade.taker_side if not maker else "2" if trade.taker_side == "1" else "1"
        numbers = self._numbers[trade.instrument]
        if fields["54"] != side or fields.get("55", trade.instrument) != trade.instrument:
            raise _Wrong(MISMATCHED, f"execution {fields['17']} has another Side or Symbol")
        if "53" in fields and quantity_of(fields["53"], "Quantity", numbers) != trade.quantity:
            raise _Wrong(QUANTITY, f"execution {fields['17']} has another quantity, {numbers.quantity(trade.quantity)}")
        if "6" in fields and price_of(fields["6"], "AvgPx", numbers) != trade.price:
            raise _Wrong(AVERAGE_PRICE, f"execution {fields['17']} has another price, {numbers.price(trade.price)}")
        shares = []
        for entry in looking.shares:
            if len(entry["79"]) > ID_LENGTH_MAX:
                raise _Wrong(UNKNOWN_ACCOUNT, f"unknown account {entry['79'][:ID_LENGTH_MAX]}")
            shares.append(Share(entry["79"], quantity_of(entry.get("80", "0"), "AllocQty", numbers, least=1)))
        routing = bounded_routing(fields)
        return AllocateTrade(session.participant, session.name, fields["70"], trade, side, shares, routing)

    # ------------------------------------------------------------------------------------------- answers

    def _refuse(self, session: Speaker, fields: dict[str, str], code: str, text: str) -> None:
        now = self._enquiries.now(session)
        if session.begin_string == "FIX.4.2" and code not in UP_TO_4_2:
            code = OTHER
        session.send(ALLOCATION_INSTRUCTION_ACK, _ack(fields["70"], self._day(), now, REJECTED, code, text), routing_of(fields))

    def answer(self, event: TradeAllocated | AllocationRejected, begin_string: str, time: str) -> str:
        """The body of AllocationInstructionAck(P) for what the core has made of it."""
        if isinstance(event, TradeAllocated):
            return _ack(event.alloc_id, self._day(), time, ACCEPTED, "", f"execution {event.trade_seq} is allocated")
        return _ack(event.alloc_id, self._day(), time, REJECTED, self._code(begin_string, event.reason), event.text)

    @staticmethod
    def _code(begin_string: str, reason: Reason) -> str:
        code = CODES.get(reason, OTHER)
        return code if begin_string != "FIX.4.2" or code in UP_TO_4_2 else OTHER

    def _day(self) -> str:
        """TradeDate(75): an allocation is of the present trading day."""
        return self._core.engine.trading_day or self._enquiries.today()


def _ack(alloc_id: str, day: str, time: str, status: str, code: str, text: str) -> str:
    why = f"88={code}{SOH}" if code else ""
    return f"70={alloc_id}{SOH}75={day}{SOH}60={time}{SOH}87={status}{SOH}{why}58={text}{SOH}"


def _unknown(fields: dict[str, str]) -> _Wrong:
    return _Wrong(UNKNOWN_EXECUTION, f"no execution of yours {fields['17'][:64]} of this trading day")

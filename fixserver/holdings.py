"""Tells participants what their accounts have: RequestForPositions (AN) and CollateralInquiry (BB). It changes nothing.

A request may be followed by what changes (SubscriptionRequestType 1). Changes are looked for, not heard of: what an account has is
moved by events of many kinds, and somebody who wants to know what he has is served by the last of them.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING

from fixserver.enquiries import BUSINESS_MESSAGE_REJECT, Enquiries
from fixserver.reports import Reports
from fixserver.requests import routing_of
from fixserver.sessions import SOH
from fixserver.throttle import STATUS_REPORTS_PER_SECOND_MAX, Throttle
from fixserver.values import ID_LENGTH_MAX, Decimals
from matching.instruments import money_text

if TYPE_CHECKING:
    from fixserver.onbehalf import Speaker
    from matching.accounts import Account
    from matching.sequencer import Sequencer

REQUEST_FOR_POSITIONS_ACK, POSITION_REPORT = "AO", "AP"
COLLATERAL_INQUIRY_ACK, COLLATERAL_REPORT = "BG", "BA"
SNAPSHOT, SUBSCRIBE, UNSUBSCRIBE = "0", "1", "2"  # SubscriptionRequestType(263)
SUBSCRIPTIONS_MAX = 20  # of a session
ASSETS_PER_TICK_MAX = 5_000  # that are compared with what was told last, of all subscriptions together
POSITIONS = "0"  # PosReqType(724)
# PosReqResult(728), and CollInquiryResult(946) for the same.
OK, INVALID, NONE_FOUND, NOT_AUTHORIZED, NOT_SUPPORTED, OTHER = "0", "1", "2", "3", "4", "99"
COLLATERAL_RESULTS = {OK: "0", INVALID: "1", NOT_AUTHORIZED: "9", NOT_SUPPORTED: "8", OTHER: "99"}
COLLATERAL_OF = ("11", "37", "198", "526", "17", "571")  # of an order, an execution or a trade: the venue has none
CARRIED_FOR_CUSTOMER = "1"  # AccountType(581)

Has = tuple[int, int, int]  # total, unsettled, reserved
Asset = tuple["Account", str, Has]


class _Asked:
    """One request, and what was told last of each asset where it goes on."""

    __slots__ = ("fields", "is_positions", "names", "request", "session", "told")

    def __init__(self, session: Speaker, fields: dict[str, str], is_positions: bool, names: list[str]) -> None:
        self.session = session
        self.fields = fields
        self.is_positions = is_positions
        self.request = fields["710" if is_positions else "909"]
        self.names = names
        self.told: dict[tuple[str, str], Has] = {}

    @property
    def key(self) -> tuple[str, str, bool, str]:
        return self.session.name, self.session.participant, self.is_positions, self.request


class Holdings:
    """Answers, and those who are told of changes."""

    def __init__(self, core: Sequencer, enquiries: Enquiries, decimals: Mapping[str, Decimals]) -> None:
        self._core = core
        self._enquiries = enquiries
        self._decimals = decimals
        self._accounts: dict[str, list[str]] = {}  # by participant
        self._accounts_known = 0
        self._subscribed: dict[tuple[str, str, bool, str], _Asked] = {}
        self._due: deque[_Asked] = deque()  # in the order in which they are looked at

    # ----------------------------------------------------------------------------------------- requests

    def positions(self, session: Speaker, fields: dict[str, str], throttle: Throttle) -> None:
        """RequestForPositions(AN): an answer (AO), and a PositionReport (AP) for each holding and each currency."""
        self._ask(session, fields, throttle, is_positions=True)

    def collateral(self, session: Speaker, fields: dict[str, str], throttle: Throttle) -> None:
        """CollateralInquiry(BB): an answer (BG), and a CollateralReport (BA) for each holding and each currency."""
        self._ask(session, fields, throttle, is_positions=False)

    def _ask(self, session: Speaker, fields: dict[str, str], throttle: Throttle, *, is_positions: bool) -> None:
        asked = _Asked(session, fields, is_positions, self._accounts_of(session.participant))
        wanted = fields.get("263", SNAPSHOT)
        if wanted == UNSUBSCRIBE:
            found = self._subscribed.pop(asked.key, None)
            self._answer(asked, OK if found else OTHER, 0, "" if found else "there is no such subscription")
            return
        result, text = self._refusal(asked, wanted)
        if result:
            self._answer(asked, result, 0, text)
            return
        found_assets = self._assets(asked, nothing_too=False)
        if not throttle.takes_status_reports(len(found_assets), time.monotonic()):
            text = f"more than {STATUS_REPORTS_PER_SECOND_MAX} reports in a second"
            reason = self._enquiries.reports_of(session).dialect.throttle
            session.send(BUSINESS_MESSAGE_REJECT, Reports.business_reject(fields, reason, text), routing_of(fields))
            return
        self._answer(asked, OK if found_assets or not is_positions else NONE_FOUND, len(found_assets))
        for number, asset in enumerate(found_assets, 1):
            self._report(asked, asset, number, len(found_assets))
        if wanted == SUBSCRIBE:
            self._subscribed[asked.key] = asked
            self._due.append(asked)

    def _refusal(self, asked: _Asked, wanted: str) -> tuple[str, str]:
        """A result and a text, or nothing of both. What is somebody else's is answered as what there is not."""
        fields, account, symbol = asked.fields, asked.fields.get("1", ""), asked.fields.get("55", "")
        if not 0 < len(asked.request) <= ID_LENGTH_MAX:
            return OTHER, f"a request is named by 1 to {ID_LENGTH_MAX} characters"
        if asked.is_positions and fields["724"] != POSITIONS:
            return NOT_SUPPORTED, f"PosReqType {fields['724'][:8]} is not taken: 0 is"
        if not asked.is_positions and any(tag in fields for tag in COLLATERAL_OF):
            return NOT_SUPPORTED, "collateral is told of accounts, not of orders, executions or trades"
        if account:
            if account not in asked.names:
                return NOT_AUTHORIZED, f"unknown account {account[:ID_LENGTH_MAX]}"
            asked.names = [account]
        if symbol and symbol not in self._core.engine.instruments:
            return INVALID, f"unknown symbol {symbol[:32]}"
        if wanted not in (SNAPSHOT, SUBSCRIBE):
            return INVALID, f"SubscriptionRequestType {wanted[:8]} is not taken"
        if wanted == SUBSCRIBE:
            if asked.key in self._subscribed:
                return OTHER, f"{asked.request} is the name of a subscription already"
            if sum(1 for key in self._subscribed if key[:2] == asked.key[:2]) >= SUBSCRIPTIONS_MAX:
                return OTHER, f"{SUBSCRIPTIONS_MAX} subscriptions are there already, which is the most"
        return "", ""

    def _accounts_of(self, participant: str) -> list[str]:
        accounts = self._core.engine.accounts
        if len(accounts) != self._accounts_known:  # an account never goes, nor to somebody else
            self._accounts.clear()
            for name, account in accounts.items():
                self._accounts.setdefault(account.participant.name, []).append(name)
            self._accounts_known = len(accounts)
        return self._accounts.get(participant, [])

    def _assets(self, asked: _Asked, *, nothing_too: bool) -> list[Asset]:
        """What the accounts that are asked for have; of what they have nothing of only where they might have had."""
        symbol, currency = asked.fields.get("55", ""), asked.fields.get("15", "")
        found: list[Asset] = []
        for name in asked.names:
            account = self._core.engine.accounts[name]
            for asset, balance in account.all_balances():
                has = balance.total, balance.unsettled, balance.reserved
                if (nothing_too or any(has)) and asset in (symbol or asset, "") and currency in ("", self._currency(asset)):
                    found.append((account, asset, has))
        return found

    def _currency(self, asset: str) -> str:
        instrument = self._core.engine.instruments.get(asset)
        return asset if instrument is None else instrument.currency

    # ------------------------------------------------------------------------------------------- changes

    def on_logout(self, session: str) -> None:
        """A session's subscriptions end with it."""
        for key in [key for key in self._subscribed if key[0] == session]:
            del self._subscribed[key]

    def on_tick(self) -> None:
        """Tell what has changed, so many assets of the subscriptions, in turn."""
        left = ASSETS_PER_TICK_MAX
        for _ in range(len(self._due)):
            if left <= 0:
                break
            asked = self._due.popleft()
            if self._subscribed.get(asked.key) is not asked:
                continue
            self._due.append(asked)
            if not asked.session.reads:  # what is in between is of no interest when he does again
                continue
            found = self._assets(asked, nothing_too=True)
            left -= len(found)
            for asset in found:
                account, name, has = asset
                if has != asked.told.get((account.name, name), (0, 0, 0)):
                    self._report(asked, asset)

    # -------------------------------------------------------------------------------------------- answers

    def _answer(self, asked: _Asked, result: str, count: int, text: str = "") -> None:
        fields, session = asked.fields, asked.session
        said = "".join(f"{tag}={fields[tag]}{SOH}" for tag in ("1", "581", "55", "15") if tag in fields)
        why = f"58={text}{SOH}" if text else ""
        refused = result not in (OK, NONE_FOUND)
        if asked.is_positions:
            body = (
                f"721={self._enquiries.exec_id()}{SOH}710={asked.request}{SOH}727={count}{SOH}728={result}{SOH}"
                f"729={'2' if refused else '0'}{SOH}{_parties(session.participant)}{said}{why}"
            )
            session.send(REQUEST_FOR_POSITIONS_ACK, body, routing_of(fields))
        else:
            status = "4" if refused else "0" if count else "2"
            body = (
                f"909={asked.request}{SOH}945={status}{SOH}946={COLLATERAL_RESULTS[result]}{SOH}911={count}{SOH}"
                f"{_parties(session.participant)}{said}{why}"
            )
            session.send(COLLATERAL_INQUIRY_ACK, body, routing_of(fields))

    def _report(self, asked: _Asked, asset: Asset, number: int = 0, count: int = 0) -> None:
        """Number `number` of `count` reports; without a number one that tells of a change."""
        account, name, has = asset
        asked.told[account.name, name] = has
        routing = routing_of(asked.fields)
        if asked.is_positions:
            asked.session.send(POSITION_REPORT, self._position(asked, asset, count if number else 0), routing)
        else:
            last = f"911={count}{SOH}912={'Y' if number == count else 'N'}{SOH}" if number else ""
            asked.session.send(COLLATERAL_REPORT, self._collateral(asked, asset, last), routing)

    def _position(self, asked: _Asked, asset: Asset, count: int) -> str:
        account, name, (total, unsettled, reserved) = asset
        kind = f"727={count}{SOH}" if count else f"325=Y{SOH}"
        head = (
            f"721={self._enquiries.exec_id()}{SOH}710={asked.request}{SOH}724=0{SOH}{kind}728=0{SOH}715={self._day()}{SOH}"
            f"{_parties(asked.session.participant)}1={account.name}{SOH}581={asked.fields.get('581', CARRIED_FOR_CUSTOMER)}{SOH}"
        )
        instrument = self._core.engine.instruments.get(name)
        if instrument is None:
            amounts = [("CASH", total), ("CRES", total - reserved)] + ([("SETL", unsettled)] if unsettled else [])
            group = "".join(f"707={kind}{SOH}708={money_text(amount)}{SOH}" for kind, amount in amounts)
            return f"{head}15={name}{SOH}730=1{SOH}731=2{SOH}734=1{SOH}753={len(amounts)}{SOH}{group}"
        decimals = self._decimals[name]
        quantities = [_long_or_short("TOT", total, decimals)] + ([_long_or_short("DLV", unsettled, decimals)] if unsettled else [])
        price = decimals.price(instrument.last or instrument.reference_price)
        return (
            f"{head}55={name}{SOH}15={instrument.currency}{SOH}730={price}{SOH}731=2{SOH}"
            f"734={decimals.price(instrument.reference_price)}{SOH}702={len(quantities)}{SOH}{''.join(quantities)}"
        )

    def _collateral(self, asked: _Asked, asset: Asset, last: str) -> str:
        account, name, (total, unsettled, reserved) = asset
        status = "0" if not reserved else "1" if reserved < total else "3"
        head = (
            f"908={self._enquiries.exec_id()}{SOH}909={asked.request}{SOH}910={status}{SOH}{last}"
            f"{_parties(asked.session.participant)}1={account.name}{SOH}"
        )
        instrument = self._core.engine.instruments.get(name)
        if instrument is None:
            return (
                f"{head}15={name}{SOH}899={money_text(total - reserved)}{SOH}900={money_text(self._worth(account, name))}{SOH}"
                f"901={money_text(total)}{SOH}922={money_text(total - unsettled)}{SOH}715={self._day()}{SOH}"
            )
        available = self._decimals[name].quantity(total - reserved)
        return f"{head}55={name}{SOH}53={available}{SOH}15={instrument.currency}{SOH}715={self._day()}{SOH}"

    def _worth(self, account: Account, currency: str) -> int:
        """Cash and holdings in a currency, in money units: the holdings at their last or reference prices."""
        instruments = self._core.engine.instruments
        worth = account.cash_in(currency).total
        for symbol, position in account.positions.items():
            instrument = instruments[symbol]
            if instrument.currency == currency:
                worth += position.total * (instrument.last or instrument.reference_price) * instrument.value_unit
        return worth

    def _day(self) -> str:
        """ClearingBusinessDate(715): the trading day, or the date where none has begun."""
        return self._core.engine.trading_day or self._enquiries.today()


def _parties(participant: str) -> str:
    """Whose accounts these are: the executing firm."""
    return f"453=1{SOH}448={participant}{SOH}447=D{SOH}452=1{SOH}"


def _long_or_short(kind: str, quantity: int, decimals: Decimals) -> str:
    tag = "704" if quantity >= 0 else "705"
    return f"703={kind}{SOH}{tag}={decimals.quantity(abs(quantity))}{SOH}"

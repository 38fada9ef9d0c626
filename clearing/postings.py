"""What events do to accounts: one balanced transaction for each event that moves something. It never touches a database.

A trade is novated: the clearing house stands between buyer and seller, so that each has bought from or sold to
it alone, and it ends every trade as flat as it began. The legs of a trade, in their order:

    1 CASH_IN        buyer          -> clearing house   value
    2 CASH_OUT       clearing house -> seller           value
    3 SECURITIES_IN  seller         -> clearing house   quantity
    4 SECURITIES_OUT clearing house -> buyer            quantity
    5 MAKER_FEE      maker          -> fees             maker_fee   (the other way where it is a rebate)
    6 TAKER_FEE      taker          -> fees             taker_fee

A deposit (7) comes from the account `outside`, a withdrawal (8) goes there: the negative of its balance is what
the venue holds for everyone together.

A trade that is busted stays as it was posted. The transaction of the bust takes each leg of it back: leg 11 is leg 1 the
other way, and so on to 16. A correction does the same, and has the legs 1 to 6 of the trade as it is now besides. Both name the
transaction that they take back: the trade, or its last correction.

A participant's account, the clearing house and the fees each have a twin for what is unsettled: to be received (above 0) or
to be delivered. While trades are settled later than at once, the legs above are between twins, and so are those that take
them back. What becomes of them then:

    settlement   21 DELIVERED  22 PAID  23 MONEY     account <-> clearing house   what was settled of an obligation
                 31        32       33           the same between the twins, the other way: it is due no more
    buy-in       41 COMPENSATION_IN   payer          -> clearing house   42 COMPENSATION_OUT   clearing house -> payee
                 43 to 46             the twins of both, with the clearing house's: quantity and value are due no more
    dividend     51 DIVIDEND   outside <-> account
    split        52 SPLIT      outside <-> account             53 SPLIT_DUE  clearing house <-> account, of the twins
                 54 FRACTION   outside  -> account, in cash
    allocation   101 and 102, 103 and 104 ...  value and quantity of each share, between the accounts of one participant

The clearing house, and its twin, have nothing of anything at the end of every batch of events: what is delivered is paid for in the
same one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, get_args

from following.database import Refused
from matching.messages import (
    BUY,
    INT64_MAX,
    MONEY_DECIMALS,
    AccountDefined,
    BalanceChanged,
    BoughtIn,
    DayRolled,
    DividendCredited,
    DividendPaid,
    Event,
    EventBatch,
    HoldingSplit,
    InstrumentDefined,
    InstrumentSplit,
    MarginCalled,
    MarginCallEnded,
    ObligationNetted,
    ObligationSplit,
    ReferenceSet,
    Settled,
    SettlementFailed,
    SettlementSet,
    Side,
    TradeAllocated,
    TradeBusted,
    TradeCorrected,
    Traded,
)

PARTICIPANT, CLEARING, FEES, OUTSIDE = "participant", "clearing", "fees", "outside"
CURRENCY, INSTRUMENT = "currency", "instrument"
TRADE, DEPOSIT, WITHDRAWAL, BUST, CORRECTION = "trade", "deposit", "withdrawal", "bust", "correction"
SETTLEMENT, BUY_IN, DIVIDEND, SPLIT, ALLOCATION = "settlement", "buy-in", "dividend", "split", "allocation"

CLEARING_ID, FEES_ID, OUTSIDE_ID = 1, 2, 3
CASH_IN, CASH_OUT, SECURITIES_IN, SECURITIES_OUT, MAKER_FEE, TAKER_FEE, DEPOSIT_LEG, WITHDRAWAL_LEG = range(1, 9)
TAKEN_BACK = 10  # what is added to a leg when it is taken back
DELIVERED, PAID, MONEY = 21, 22, 23
DUE_NO_MORE = 10  # what is added to a leg of a settlement for its counterpart between the twins
COMPENSATION_IN, COMPENSATION_OUT, NOT_TAKEN, NOT_DELIVERED, NOT_RECEIVED, NOT_PAID = range(41, 47)
DIVIDEND_LEG, SPLIT_LEG, SPLIT_DUE, FRACTION = 51, 52, 53, 54
ALLOCATION_LEG = 101  # the first of the two legs of the first share

# What becomes of an obligation.
FAILED, BOUGHT_IN = "failed", "bought in"
SETTLED, OBLIGATION_SPLIT = "settled", "split"
CALLED, CALL_ENDED = "called", "ended"


class LedgerRefused(Refused):
    """What was given cannot be posted."""


class AccountRow(NamedTuple):
    id: int
    kind: str
    name: str
    participant: str


class AssetRow(NamedTuple):
    """`price_decimals` and `currency`, an asset's id, are those of an instrument and None for a currency."""

    id: int
    kind: str
    name: str
    decimals: int
    price_decimals: int | None
    currency: int | None


def twin(account: AccountRow) -> AccountRow:
    """The account of what is unsettled: of another kind, with the same name and the same number below 0."""
    return AccountRow(-account.id, account.kind + TWIN, account.name, account.participant)


TWIN = "-due"  # what is added to the kind of an account for that of its twin
PARTICIPANT_DUE, CLEARING_DUE, FEES_DUE = PARTICIPANT + TWIN, CLEARING + TWIN, FEES + TWIN

# The venue's own accounts. A participant may have the same name: the kind tells them apart.
_CLEARING, _FEES = AccountRow(CLEARING_ID, CLEARING, "@clearing", ""), AccountRow(FEES_ID, FEES, "@fees", "")
OWN_ACCOUNTS = (_CLEARING, _FEES, AccountRow(OUTSIDE_ID, OUTSIDE, "@outside", ""), twin(_CLEARING), twin(_FEES))

# event_seq, time, kind, instrument, price, quantity, maker_order_id, taker_order_id
TransactionRow = tuple[int, int, str, int | None, int | None, int | None, int | None, int | None]
# event_seq, leg, from_account, to_account, asset, amount
PostingRow = tuple[int, int, int, int, int, int]


class RemarkRow(NamedTuple):
    """What is said of a transaction besides what it moves: which one it takes back, who entered it, and why."""

    event_seq: int
    reverses: int | None
    entered_by: str
    reference: str


class TermsRow(NamedTuple):
    """How trades are settled, as SettlementSet has it."""

    event_seq: int
    time: int
    cycle_days: int
    spend_unsettled: bool
    buy_in_days: int
    buy_in_premium_ppm: int
    in_force: bool
    entered_by: str


class DayRow(NamedTuple):
    """A trading day. Its events are those from `first_seq` on: what the evening before settled belongs to the day before."""

    event_seq: int
    trading_day: str
    time: int
    first_seq: int


class MarkRow(NamedTuple):
    """What an instrument is valued at: its last trade's price, or its reference price where there was none. None where a ledger
    was begun by a program that did not keep it."""

    instrument: int
    last: int | None
    reference: int | None
    tick: int
    event_seq: int

    @property
    def price(self) -> int | None:
        return self.reference if self.last is None else self.last


class ObligationRow(NamedTuple):
    """An obligation as it was netted, and as it stands: `price` is that of `multiple` units, `days` those on which it failed,
    `reason` the one of the last of them. It is open while anything is left."""

    event_seq: int
    time: int
    account: int
    instrument: int
    trading_day: str
    due: int
    quantity: int
    price: int
    money: int
    multiple: int
    quantity_left: int
    money_left: int
    days: int
    reason: int | None
    changed_seq: int

    @property
    def is_open(self) -> bool:
        return bool(self.quantity_left or self.money_left)


class OutcomeRow(NamedTuple):
    """What became of an obligation by an event. Of one that was settled: what was delivered (below 0) or received, and against
    which value; of a buy-in: what of it is over, at which price, and what was paid for that (below 0) or received; of one that
    failed, or was split: nothing but what is left."""

    event_seq: int
    obligation: int
    time: int
    trading_day: str  # the one that ended with it
    kind: str
    quantity: int
    value: int
    money: int
    quantity_left: int
    money_left: int
    days: int
    reason: int | None
    price: int | None
    other_obligation: int | None
    at_fault: bool


class AllocationRow(NamedTuple):
    event_seq: int
    trade: int
    side: str
    alloc_id: str


class CallRow(NamedTuple):
    """A margin call that began, or ended."""

    event_seq: int
    time: int
    kind: str
    account: int
    currency: int
    equity: int
    required: int


@dataclass(slots=True)
class Changes:
    """The rows that one database transaction writes. `balances` maps (account, asset) to the last event that changed it.
    `days`, `marks` and `obligations` are by their keys, and replace what was there."""

    accounts: list[AccountRow] = field(default_factory=list)
    assets: list[AssetRow] = field(default_factory=list)
    transactions: list[TransactionRow] = field(default_factory=list)
    postings: list[PostingRow] = field(default_factory=list)
    remarks: list[RemarkRow] = field(default_factory=list)
    balances: dict[tuple[int, int], int] = field(default_factory=dict)
    terms: list[TermsRow] = field(default_factory=list)
    days: dict[int, DayRow] = field(default_factory=dict)
    marks: dict[int, MarkRow] = field(default_factory=dict)
    obligations: dict[int, ObligationRow] = field(default_factory=dict)
    outcomes: list[OutcomeRow] = field(default_factory=list)
    allocations: list[AllocationRow] = field(default_factory=list)
    calls: list[CallRow] = field(default_factory=list)
    trades: int = 0


class _Terms(NamedTuple):
    asset: int
    currency: int
    value_unit: int


POSTED = frozenset(
    (
        Traded, BalanceChanged, InstrumentDefined, AccountDefined, TradeBusted, TradeCorrected, ReferenceSet, DayRolled,
        SettlementSet, ObligationNetted, Settled, SettlementFailed, BoughtIn, DividendPaid, DividendCredited, InstrumentSplit,
        HoldingSplit, ObligationSplit, TradeAllocated, MarginCalled, MarginCallEnded,
    )
)  # fmt: skip
PASSED_OVER = frozenset(get_args(Event)) - POSTED  # what moves nothing, and names nobody new


@dataclass(slots=True)
class Kept:
    """What a database holds of what the next events build upon. `corrections` are (event, what it takes back), oldest first;
    `obligations` those that are open; `last_day` the present trading day."""

    accounts: list[AccountRow]
    assets: list[AssetRow]
    balances: dict[tuple[int, int], int]
    corrections: Iterable[tuple[int, int]] = ()
    terms: Iterable[TermsRow] = ()
    marks: Iterable[MarkRow] = ()
    obligations: Iterable[ObligationRow] = ()
    last_day: DayRow | None = None


class Books:
    """Accounts, assets, balances and open obligations as they stand after the last batch, and the changes since `take_changes`."""

    def __init__(self) -> None:
        self.accounts: dict[str, int] = {}
        self.balances: dict[tuple[int, int], int] = {}
        self.obligations: dict[int, ObligationRow] = {}
        self.changes = Changes()
        self._instruments: dict[str, _Terms] = {}
        self._currencies: dict[str, int] = {}
        self._account_ids = OUTSIDE_ID
        self._asset_ids = 0
        self._corrections: dict[int, int] = {}  # trade: its last correction, both by the number of their event
        self._marks: dict[int, MarkRow] = {}
        self._last: dict[int, tuple[int, int]] = {}  # instrument: event and price of its last trade, not in its mark yet
        self._day: DayRow | None = None
        self._day_ended = ""
        # By the number of their events: from when on trades were settled later than at once (-1), or at once (1).
        self._bucket_seqs: list[int] = [0]
        self._bucket_signs: list[int] = [1]
        self._bucket = 1
        self._declared: DividendPaid | InstrumentSplit | None = None  # what the events that follow are part of
        self._settles = False  # the batch at hand does
        self.posts: dict[type, Callable[[Any, int], None]] = {
            Traded: self._trade,
            BalanceChanged: self._transfer,
            InstrumentDefined: self._define_instrument,
            AccountDefined: self._define_account,
            TradeBusted: self._bust,
            TradeCorrected: self._correct,
            ReferenceSet: self._refer,
            DayRolled: self._begin_day,
            SettlementSet: self._set_terms,
            ObligationNetted: self._net,
            Settled: self._settle,
            SettlementFailed: self._fail,
            BoughtIn: self._buy_in,
            DividendPaid: self._declare,
            DividendCredited: self._credit,
            InstrumentSplit: self._split,
            HoldingSplit: self._split_holding,
            ObligationSplit: self._split_obligation,
            TradeAllocated: self._allocate,
            MarginCalled: self._call,
            MarginCallEnded: self._call,
        }

    def load(self, kept: Kept) -> None:
        """Take what a database holds."""
        for account in kept.accounts:
            self._know_account(account)
        for asset in kept.assets:
            self._know_asset(asset)
        self.balances = kept.balances
        trade_of: dict[int, int] = {}
        for seq, reverses in kept.corrections:
            trade = trade_of[seq] = trade_of.get(reverses, reverses)
            self._corrections[trade] = seq
        for terms in kept.terms:
            self._know_terms(terms)
        self._marks = {mark.instrument: mark for mark in kept.marks}
        self.obligations = {one.event_seq: one for one in kept.obligations}
        self._day = kept.last_day

    def take_changes(self) -> Changes:
        for asset in list(self._last):
            self._mark(asset)
        changes, self.changes = self.changes, Changes()
        return changes

    def apply(self, first: int, batch: EventBatch) -> None:
        """Post the events of a batch whose first event has the number `first`. Raises LedgerRefused."""
        time, posts = batch.time, self.posts
        for seq, event in enumerate(batch.events, first):
            if event.seq != seq:
                raise LedgerRefused(f"event {seq} is due in the event log, and event {event.seq} stands there")
            post = posts.get(type(event))
            if post is not None:  # PASSED_OVER
                post(event, time)
        if self._settles:
            self._settles = False
            self._assert_flat(first, batch)

    def _assert_flat(self, first: int, batch: EventBatch) -> None:
        """Delivery versus payment: what settles is whole within a batch, and so within one database transaction; it leaves the
        clearing house nothing."""
        names = {terms.asset: name for name, terms in self._instruments.items()}
        names |= {asset: name for name, asset in self._currencies.items()}
        for account, what in ((CLEARING_ID, "settled"), (-CLEARING_ID, "unsettled")):
            for asset, name in names.items():
                if amount := self.balances.get((account, asset), 0):
                    raise LedgerRefused(
                        f"events {first} to {first + len(batch.events) - 1} leave the clearing house with {amount} {name}, {what}: "
                        "what settles is to be whole within one batch"
                    )

    # ------------------------------------------------------------------------------------------ what moves

    def _trade(self, event: Traded, time: int) -> None:
        seq, quantity = event.seq, event.quantity
        terms = self._instruments.get(event.instrument)
        maker = self.accounts.get(event.maker_account)
        taker = self.accounts.get(event.taker_account)
        if terms is None or maker is None or taker is None:
            raise _unknown(event)
        asset, currency, value_unit = terms
        bucket = self._bucket
        maker, taker, clearing = maker * bucket, taker * bucket, CLEARING_ID * bucket
        value = event.price * quantity * value_unit
        buyer, seller = (taker, maker) if event.taker_side == BUY else (maker, taker)
        self._last[asset] = seq, event.price
        changes = self.changes
        changes.trades += 1
        changes.transactions.append((seq, time, TRADE, asset, event.price, quantity, event.maker_order_id, event.taker_order_id))
        postings = changes.postings
        postings.append((seq, CASH_IN, buyer, clearing, currency, value))
        postings.append((seq, CASH_OUT, clearing, seller, currency, value))
        postings.append((seq, SECURITIES_IN, seller, clearing, asset, quantity))
        postings.append((seq, SECURITIES_OUT, clearing, buyer, asset, quantity))
        balances, changed = self.balances, changes.balances
        for account, sign in ((buyer, 1), (seller, -1)):
            key = account, currency
            balances[key] = balances.get(key, 0) - sign * value
            changed[key] = seq
            key = account, asset
            balances[key] = balances.get(key, 0) + sign * quantity
            changed[key] = seq
        # The clearing house takes in and gives out the same: its balances stay as they are.
        if event.maker_fee:
            self._fee(seq, MAKER_FEE, maker, FEES_ID * bucket, currency, event.maker_fee)
        if event.taker_fee:
            self._fee(seq, TAKER_FEE, taker, FEES_ID * bucket, currency, event.taker_fee)

    def _bucket_of(self, trade: int) -> int:
        """1 where the trade of that event was settled at once, and -1 where it was not, which makes an account its twin."""
        return self._bucket_signs[bisect_right(self._bucket_seqs, trade) - 1]

    def _parties(self, event: TradeBusted | TradeCorrected) -> tuple[_Terms, int, int]:
        """The instrument, and the accounts of maker and taker, or their twins. Raises LedgerRefused where one is not known."""
        terms = self._instruments.get(event.instrument)
        maker = self.accounts.get(event.maker_account)
        taker = self.accounts.get(event.taker_account)
        if terms is None or maker is None or taker is None:
            raise _unknown(event)
        bucket = self._bucket_of(event.trade_seq)
        return terms, maker * bucket, taker * bucket

    def _bust(self, event: TradeBusted, time: int) -> None:
        terms, maker, taker = self._parties(event)
        self._amend(event, BUST, terms.asset, time)
        legs = _legs(event.taker_side, maker, taker, terms, event.price, event.quantity, event.maker_fee, event.taker_fee)
        self._move_back(event.seq, legs)

    def _correct(self, event: TradeCorrected, time: int) -> None:
        terms, maker, taker = self._parties(event)
        self._amend(event, CORRECTION, terms.asset, time)
        self._corrections[event.trade_seq] = event.seq
        side = event.taker_side
        old = _legs(side, maker, taker, terms, event.old_price, event.old_quantity, event.old_maker_fee, event.old_taker_fee)
        self._move_back(event.seq, old)
        new = _legs(side, maker, taker, terms, event.price, event.quantity, event.maker_fee, event.taker_fee)
        for leg, giver, receiver, asset, amount in new:
            self._move(event.seq, leg, giver, receiver, asset, amount)

    def _amend(self, event: TradeBusted | TradeCorrected, kind: str, asset: int, time: int) -> None:
        """The transaction of a bust or a correction, without its postings."""
        seq, trade = event.seq, event.trade_seq
        self.changes.transactions.append((seq, time, kind, asset, event.price, event.quantity, None, None))
        self.changes.remarks.append(RemarkRow(seq, self._corrections.get(trade, trade), event.by, ""))

    def _move_back(self, seq: int, legs: list[tuple[int, int, int, int, int]]) -> None:
        for leg, giver, receiver, asset, amount in legs:
            self._move(seq, TAKEN_BACK + leg, receiver, giver, asset, amount)

    def _fee(self, seq: int, leg: int, account: int, fees: int, currency: int, fee: int) -> None:
        if fee > 0:
            self._move(seq, leg, account, fees, currency, fee)
        else:
            self._move(seq, leg, fees, account, currency, -fee)

    def _transfer(self, event: BalanceChanged, time: int) -> None:
        seq, amount = event.seq, int(event.amount)
        account = self.accounts.get(event.account)
        terms = self._instruments.get(event.asset)
        asset = terms.asset if terms is not None else self._currencies.get(event.asset)
        if account is None or asset is None:
            raise LedgerRefused(
                f"event {seq} changes the {event.asset} of {event.account}: an account or an asset that no event before it defines"
            )
        kind = DEPOSIT if amount > 0 else WITHDRAWAL
        if terms is None:
            self.changes.transactions.append((seq, time, kind, None, None, None, None, None))
        else:
            self.changes.transactions.append((seq, time, kind, asset, self._mark(asset).price, None, None, None))
        if event.by or event.reference:
            self.changes.remarks.append(RemarkRow(seq, None, event.by, event.reference))
        if amount > 0:
            self._move(seq, DEPOSIT_LEG, OUTSIDE_ID, account, asset, amount)
        else:
            self._move(seq, WITHDRAWAL_LEG, account, OUTSIDE_ID, asset, -amount)
        total = self.balances[account, asset] + self.balances.get((-account, asset), 0)
        if total != int(event.balance):
            raise LedgerRefused(
                f"event {seq}: the engine has {event.balance} {event.asset} in {event.account}, the ledger {total}. "
                "`fixserver ledger check` tells more, `fixserver ledger rebuild --replace` posts all anew"
            )

    # -------------------------------------------------------------------------------------------- settlement

    def _set_terms(self, event: SettlementSet, time: int) -> None:
        row = TermsRow(
            event.seq, time, event.cycle_days, event.spend_unsettled, event.buy_in_days, event.buy_in_premium_ppm,
            event.in_force, event.by,
        )  # fmt: skip
        self._know_terms(row)
        self.changes.terms.append(row)

    def _know_terms(self, row: TermsRow) -> None:
        if row.in_force:
            self._bucket = -1 if row.cycle_days else 1
            self._bucket_seqs.append(row.event_seq)
            self._bucket_signs.append(self._bucket)

    def _begin_day(self, event: DayRolled, time: int) -> None:
        self._day_ended = self._day.trading_day if self._day is not None else ""
        self._set_day(DayRow(event.seq, event.trading_day, time, event.seq))

    def _set_day(self, day: DayRow) -> None:
        self._day = day
        self.changes.days[day.event_seq] = day

    def _in_the_evening(self, seq: int) -> None:
        """What is settled belongs to the day that ends with it, although the next one was named before."""
        self._settles = True
        if self._day is not None:
            self._set_day(self._day._replace(first_seq=seq + 1))

    def _net(self, event: ObligationNetted, time: int) -> None:
        self._in_the_evening(event.seq)
        account, terms = self._account_of(event), self._terms_of(event)
        money = int(event.money)
        self._set_obligation(
            ObligationRow(
                event.seq, time, account, terms.asset, event.trading_day, event.due, event.quantity, event.price, money,
                1, event.quantity, money, 0, None, event.seq,
            )
        )  # fmt: skip

    def _settle(self, event: Settled, time: int) -> None:
        self._in_the_evening(event.seq)
        seq, account, terms = event.seq, self._account_of(event), self._terms_of(event)
        quantity, value, money = event.quantity, int(event.value), int(event.money)
        row = self._obligation(event, event.obligation)
        after = row._replace(quantity_left=row.quantity_left - quantity, money_left=row.money_left - money, changed_seq=seq)
        if (after.quantity_left, after.money_left) != (event.quantity_left, int(event.money_left)):
            raise LedgerRefused(
                f"event {seq} leaves {event.quantity_left} and {event.money_left} of obligation {row.event_seq}, and the ledger "
                f"has {after.quantity_left} and {after.money_left} left"
            )
        self._set_obligation(after)
        self._outcome(after, SETTLED, time, seq, quantity=quantity, value=value, money=money)
        self.changes.transactions.append((seq, time, SETTLEMENT, terms.asset, row.price, abs(quantity), None, None))
        asset, currency = terms.asset, terms.currency
        for leg, moved, amount in ((DELIVERED, asset, quantity), (PAID, currency, value), (MONEY, currency, money)):
            self._receive(seq, leg, account, CLEARING_ID, moved, amount)
            self._receive(seq, leg + DUE_NO_MORE, -account, -CLEARING_ID, moved, -amount)

    def _fail(self, event: SettlementFailed, time: int) -> None:
        self._in_the_evening(event.seq)
        row = self._obligation(event, event.obligation)
        if (row.quantity_left, row.money_left) != (event.quantity, int(event.money)):
            raise LedgerRefused(
                f"event {event.seq} says that {event.quantity} and {event.money} of obligation {row.event_seq} are left, and the "
                f"ledger has {row.quantity_left} and {row.money_left}"
            )
        row = row._replace(days=event.days, reason=int(event.reason), changed_seq=event.seq)
        self._set_obligation(row)
        self._outcome(row, FAILED, time, event.seq)

    def _buy_in(self, event: BoughtIn, time: int) -> None:
        self._in_the_evening(event.seq)
        seq, terms, quantity = event.seq, self._terms_of(event), event.quantity
        value, money = int(event.value), int(event.money)
        giving, taking = self._obligation(event, event.obligation), self._obligation(event, event.receiving_obligation)
        deliverer, receiver = self.accounts.get(event.account), self.accounts.get(event.receiving_account)
        if (giving.account, taking.account) != (deliverer, receiver):
            raise LedgerRefused(f"event {seq}: obligations {giving.event_seq} and {taking.event_seq} are of other accounts")
        if not 0 < quantity <= min(-giving.quantity_left, taking.quantity_left):
            raise LedgerRefused(
                f"event {seq} buys in {quantity}, and {giving.quantity_left} and {taking.quantity_left} are left of obligations "
                f"{giving.event_seq} and {taking.event_seq}"
            )
        late = event.fault == "securities"
        for row, sign, other in ((giving, -1, taking), (taking, 1, giving)):
            after = row._replace(quantity_left=row.quantity_left - sign * quantity, changed_seq=seq)
            self._set_obligation(after)
            self._outcome(
                after, BOUGHT_IN, time, seq, quantity=sign * quantity, value=-sign * value, money=sign * money, price=event.price,
                other_obligation=other.event_seq, at_fault=late == (row is giving),
            )  # fmt: skip
        self.changes.transactions.append((seq, time, BUY_IN, terms.asset, event.price, quantity, None, None))
        payer, payee = (giving.account, taking.account) if money > 0 else (taking.account, giving.account)
        for leg, giver, taker, asset, amount in (
            (COMPENSATION_IN, payer, CLEARING_ID, terms.currency, abs(money)),
            (COMPENSATION_OUT, CLEARING_ID, payee, terms.currency, abs(money)),
            (NOT_TAKEN, -taking.account, -CLEARING_ID, terms.asset, quantity),
            (NOT_DELIVERED, -CLEARING_ID, -giving.account, terms.asset, quantity),
            (NOT_RECEIVED, -giving.account, -CLEARING_ID, terms.currency, value),
            (NOT_PAID, -CLEARING_ID, -taking.account, terms.currency, value),
        ):
            self._receive(seq, leg, taker, giver, asset, amount)

    def _set_obligation(self, row: ObligationRow) -> None:
        self.changes.obligations[row.event_seq] = row
        if row.is_open:
            self.obligations[row.event_seq] = row
        else:
            self.obligations.pop(row.event_seq, None)

    def _outcome(
        self, row: ObligationRow, kind: str, time: int, seq: int, *, quantity: int = 0, value: int = 0, money: int = 0,
        price: int | None = None, other_obligation: int | None = None, at_fault: bool = False,
    ) -> None:  # fmt: skip
        reason = row.reason if kind == FAILED else None
        day = self._day.trading_day if kind == OBLIGATION_SPLIT and self._day is not None else self._day_ended
        self.changes.outcomes.append(
            OutcomeRow(
                seq, row.event_seq, time, day, kind, quantity, value, money, row.quantity_left, row.money_left,
                row.days, reason, price, other_obligation, at_fault,
            )
        )  # fmt: skip

    def _obligation(self, event: Settled | SettlementFailed | BoughtIn | ObligationSplit, number: int) -> ObligationRow:
        row = self.obligations.get(number)
        if row is None or row.instrument != self._terms_of(event).asset:
            raise LedgerRefused(f"event {event.seq} is about obligation {number} in {event.instrument}, and no such one is open")
        return row

    # -------------------------------------------------------------------- dividends, splits, allocations, margin

    def _declare(self, event: DividendPaid | InstrumentSplit, time: int) -> None:
        self._declared = event

    def _credit(self, event: DividendCredited, time: int) -> None:
        account, terms, amount = self._account_of(event), self._terms_of(event), int(event.amount)
        if amount:
            self._event_of(event.seq, time, DIVIDEND, terms.asset, event.quantity)
            self._receive(event.seq, DIVIDEND_LEG, account, OUTSIDE_ID, terms.currency, amount)

    def _split(self, event: InstrumentSplit, time: int) -> None:
        """The reference price of after the split is told by ReferenceSet; the last trade's follows from it likewise."""
        self._declared = event
        asset = self._terms_of(event).asset
        mark = self._mark(asset)
        if mark.last is not None:
            # To the nearest tick, of two the higher, and one tick at least.
            ticks = (2 * mark.last * event.denominator + event.numerator * mark.tick) // (2 * event.numerator * mark.tick)
            self._set_mark(mark._replace(last=max(1, ticks) * mark.tick, event_seq=event.seq))

    def _split_holding(self, event: HoldingSplit, time: int) -> None:
        seq, account, terms = event.seq, self._account_of(event), self._terms_of(event)
        cash = int(event.cash)
        if event.settled_change or event.unsettled_change or cash:
            if event.unsettled_change:
                self._settles = True
            self._event_of(seq, time, SPLIT, terms.asset, event.settled_change + event.unsettled_change)
            self._receive(seq, SPLIT_LEG, account, OUTSIDE_ID, terms.asset, event.settled_change)
            self._receive(seq, SPLIT_DUE, -account, -CLEARING_ID, terms.asset, event.unsettled_change)
            self._receive(seq, FRACTION, account, OUTSIDE_ID, terms.currency, cash)

    def _split_obligation(self, event: ObligationSplit, time: int) -> None:
        row = self._obligation(event, event.obligation)
        row = row._replace(quantity_left=event.quantity, multiple=event.multiple, changed_seq=event.seq)
        self._set_obligation(row)
        self._outcome(row, OBLIGATION_SPLIT, time, event.seq)

    def _event_of(self, seq: int, time: int, kind: str, asset: int, quantity: int) -> None:
        """The transaction of what was declared for all who have something of an instrument."""
        known = quantity if abs(quantity) <= INT64_MAX else None  # holdings may pass 64 bits
        self.changes.transactions.append((seq, time, kind, asset, None, known, None, None))
        declared = self._declared
        if declared is not None and (declared.by or declared.reference):
            self.changes.remarks.append(RemarkRow(seq, None, declared.by, declared.reference))

    def _allocate(self, event: TradeAllocated, time: int) -> None:
        seq, terms, trade = event.seq, self._terms_of(event), event.trade_seq
        bucket = self._bucket_of(trade)
        self.changes.transactions.append((seq, time, ALLOCATION, terms.asset, event.price, event.quantity, None, None))
        self.changes.remarks.append(RemarkRow(seq, None, event.participant, event.alloc_id))
        self.changes.allocations.append(AllocationRow(seq, trade, event.side, event.alloc_id))
        giver = self._account_of(event) * bucket
        sign = 1 if event.side == BUY else -1
        for leg, share in enumerate(event.shares):
            if share.account == event.account:
                continue
            taker = self.accounts.get(share.account)
            if taker is None:
                raise LedgerRefused(f"event {seq} allocates to {share.account}, an account that no event before it defines")
            taker *= bucket
            value = event.price * share.quantity * terms.value_unit
            self._receive(seq, ALLOCATION_LEG + 2 * leg, taker, giver, terms.currency, -sign * value)
            self._receive(seq, ALLOCATION_LEG + 2 * leg + 1, taker, giver, terms.asset, sign * share.quantity)

    def _call(self, event: MarginCalled | MarginCallEnded, time: int) -> None:
        account, currency = self.accounts.get(event.account), self._currencies.get(event.currency)
        if account is None or currency is None:
            raise LedgerRefused(
                f"event {event.seq} is about the {event.currency} of {event.account}, which no event before it defines"
            )
        kind = CALLED if type(event) is MarginCalled else CALL_ENDED
        self.changes.calls.append(CallRow(event.seq, time, kind, account, currency, int(event.equity), int(event.required)))

    # ------------------------------------------------------------------------------------------------ movements

    def _account_of(self, event: ObligationNetted | Settled | DividendCredited | HoldingSplit | TradeAllocated) -> int:
        account = self.accounts.get(event.account) if event.account else FEES_ID
        if account is None:
            raise LedgerRefused(f"event {event.seq} is about {event.account}, an account that no event before it defines")
        return account

    def _terms_of(self, event: Any) -> _Terms:
        terms = self._instruments.get(event.instrument)
        if terms is None:
            raise LedgerRefused(f"event {event.seq} is about {event.instrument}, an instrument that no event before it defines")
        return terms

    def _receive(self, seq: int, leg: int, account: int, other: int, asset: int, amount: int) -> None:
        """`account` receives an amount of `other`, gives it where it is below 0, and nothing is posted of 0."""
        if amount > 0:
            self._move(seq, leg, other, account, asset, amount)
        elif amount < 0:
            self._move(seq, leg, account, other, asset, -amount)

    def _move(self, seq: int, leg: int, giver: int, taker: int, asset: int, amount: int) -> None:
        self.changes.postings.append((seq, leg, giver, taker, asset, amount))
        for key, change in (((giver, asset), -amount), ((taker, asset), amount)):
            self.balances[key] = self.balances.get(key, 0) + change
            self.changes.balances[key] = seq

    # ---------------------------------------------------------------------------------------- what is there

    def _define_account(self, event: AccountDefined, time: int) -> None:
        if event.account not in self.accounts:
            row = AccountRow(self._account_ids + 1, PARTICIPANT, event.account, event.participant)
            self._know_account(row)
            self.changes.accounts += [row, twin(row)]

    def _define_instrument(self, event: InstrumentDefined, time: int) -> None:
        """Decimals and currency never change, so there is an asset to make only the first time."""
        if event.instrument in self._instruments:
            mark = self._mark(self._instruments[event.instrument].asset)
            self._set_mark(mark._replace(reference=event.reference_price, tick=event.tick, event_seq=event.seq))
            return
        if event.currency not in self._currencies:
            self._add_asset(event.seq, AssetRow(self._asset_ids + 1, CURRENCY, event.currency, MONEY_DECIMALS, None, None))
        currency = self._currencies[event.currency]
        self._add_asset(
            event.seq,
            AssetRow(self._asset_ids + 1, INSTRUMENT, event.instrument, event.quantity_decimals, event.price_decimals, currency),
        )
        self._set_mark(MarkRow(self._asset_ids, None, event.reference_price, event.tick, event.seq))

    def _add_asset(self, seq: int, row: AssetRow) -> None:
        self._know_asset(row)
        self.changes.assets.append(row)
        for account in (CLEARING_ID, FEES_ID, OUTSIDE_ID):
            self.balances[account, row.id] = 0
            self.changes.balances[account, row.id] = seq

    def _refer(self, event: ReferenceSet, time: int) -> None:
        mark = self._mark(self._terms_of(event).asset)
        self._set_mark(mark._replace(reference=event.price, event_seq=event.seq))

    def _mark(self, asset: int) -> MarkRow:
        """The mark of an instrument, with its last trade in it."""
        mark = self._marks.get(asset) or MarkRow(asset, None, None, 1, 0)
        traded = self._last.pop(asset, None)
        if traded is not None:
            mark = mark._replace(event_seq=traded[0], last=traded[1])
            self._set_mark(mark)
        return mark

    def _set_mark(self, mark: MarkRow) -> None:
        self._marks[mark.instrument] = self.changes.marks[mark.instrument] = mark

    def _know_account(self, row: AccountRow) -> None:
        if row.kind == PARTICIPANT:
            self.accounts[row.name] = row.id
        self._account_ids = max(self._account_ids, row.id)

    def _know_asset(self, row: AssetRow) -> None:
        self._asset_ids = max(self._asset_ids, row.id)
        if row.kind == CURRENCY:
            self._currencies[row.name] = row.id
            return
        assert row.price_decimals is not None and row.currency is not None, "an instrument has a currency and a price"
        self._instruments[row.name] = _Terms(row.id, row.currency, 10 ** (MONEY_DECIMALS - row.price_decimals - row.decimals))


def _unknown(event: Traded | TradeBusted | TradeCorrected) -> LedgerRefused:
    return LedgerRefused(
        f"event {event.seq}, a trade of {event.instrument} between {event.maker_account} and {event.taker_account}, names an "
        "instrument or an account that no event before it defines"
    )


def _legs(
    taker_side: Side, maker: int, taker: int, terms: _Terms, price: int, quantity: int, maker_fee: int, taker_fee: int
) -> list[tuple[int, int, int, int, int]]:
    """The legs of a trade: (leg, from, to, asset, amount), between accounts or between twins, as maker and taker are."""
    asset, currency, value_unit = terms
    value = price * quantity * value_unit
    bucket = 1 if maker > 0 else -1
    clearing, fees = CLEARING_ID * bucket, FEES_ID * bucket
    buyer, seller = (taker, maker) if taker_side == BUY else (maker, taker)
    legs = [
        (CASH_IN, buyer, clearing, currency, value),
        (CASH_OUT, clearing, seller, currency, value),
        (SECURITIES_IN, seller, clearing, asset, quantity),
        (SECURITIES_OUT, clearing, buyer, asset, quantity),
    ]
    for leg, account, fee in ((MAKER_FEE, maker, maker_fee), (TAKER_FEE, taker, taker_fee)):
        if fee > 0:
            legs.append((leg, account, fees, currency, fee))
        elif fee < 0:
            legs.append((leg, fees, account, currency, -fee))
    return legs

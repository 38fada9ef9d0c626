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
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, get_args

from following.database import Refused
from matching.messages import (
    BUY,
    MONEY_DECIMALS,
    AccountDefined,
    BalanceChanged,
    Event,
    EventBatch,
    InstrumentDefined,
    Side,
    TradeBusted,
    TradeCorrected,
    Traded,
)

PARTICIPANT, CLEARING, FEES, OUTSIDE = "participant", "clearing", "fees", "outside"
CURRENCY, INSTRUMENT = "currency", "instrument"
TRADE, DEPOSIT, WITHDRAWAL, BUST, CORRECTION = "trade", "deposit", "withdrawal", "bust", "correction"

CLEARING_ID, FEES_ID, OUTSIDE_ID = 1, 2, 3
CASH_IN, CASH_OUT, SECURITIES_IN, SECURITIES_OUT, MAKER_FEE, TAKER_FEE, DEPOSIT_LEG, WITHDRAWAL_LEG = range(1, 9)
TAKEN_BACK = 10  # what is added to a leg when it is taken back


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


# The venue's own accounts. A participant may have the same name: the kind tells them apart.
OWN_ACCOUNTS = (
    AccountRow(CLEARING_ID, CLEARING, "@clearing", ""),
    AccountRow(FEES_ID, FEES, "@fees", ""),
    AccountRow(OUTSIDE_ID, OUTSIDE, "@outside", ""),
)

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


@dataclass(slots=True)
class Changes:
    """The rows that one database transaction writes. `balances` maps (account, asset) to the last event that changed it."""

    accounts: list[AccountRow] = field(default_factory=list)
    assets: list[AssetRow] = field(default_factory=list)
    transactions: list[TransactionRow] = field(default_factory=list)
    postings: list[PostingRow] = field(default_factory=list)
    remarks: list[RemarkRow] = field(default_factory=list)
    balances: dict[tuple[int, int], int] = field(default_factory=dict)
    trades: int = 0


class _Terms(NamedTuple):
    asset: int
    currency: int
    value_unit: int


POSTED = frozenset((Traded, BalanceChanged, InstrumentDefined, AccountDefined, TradeBusted, TradeCorrected))
PASSED_OVER = frozenset(get_args(Event)) - POSTED  # what moves nothing, and names nobody new


class Books:
    """Accounts, assets and balances as they stand after the last batch, and the changes since `take_changes`."""

    def __init__(self) -> None:
        self.accounts: dict[str, int] = {}
        self.balances: dict[tuple[int, int], int] = {}
        self.changes = Changes()
        self._instruments: dict[str, _Terms] = {}
        self._currencies: dict[str, int] = {}
        self._account_ids = OUTSIDE_ID
        self._asset_ids = 0
        self._corrections: dict[int, int] = {}  # trade: its last correction, both by the number of their event
        self.posts: dict[type, Callable[[Any, int], None]] = {
            Traded: self._trade,
            BalanceChanged: self._transfer,
            InstrumentDefined: self._define_instrument,
            AccountDefined: self._define_account,
            TradeBusted: self._bust,
            TradeCorrected: self._correct,
        }

    def load(
        self,
        accounts: list[AccountRow],
        assets: list[AssetRow],
        balances: dict[tuple[int, int], int],
        corrections: Iterable[tuple[int, int]],
    ) -> None:
        """Take what a database holds. `corrections` are (event, what it takes back), oldest first."""
        for account in accounts:
            self._know_account(account)
        for asset in assets:
            self._know_asset(asset)
        self.balances = balances
        trade_of: dict[int, int] = {}
        for seq, reverses in corrections:
            trade = trade_of[seq] = trade_of.get(reverses, reverses)
            self._corrections[trade] = seq

    def take_changes(self) -> Changes:
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

    # ------------------------------------------------------------------------------------------ what moves

    def _trade(self, event: Traded, time: int) -> None:
        seq, quantity = event.seq, event.quantity
        terms = self._instruments.get(event.instrument)
        maker = self.accounts.get(event.maker_account)
        taker = self.accounts.get(event.taker_account)
        if terms is None or maker is None or taker is None:
            raise _unknown(event)
        asset, currency, value_unit = terms
        value = event.price * quantity * value_unit
        buyer, seller = (taker, maker) if event.taker_side == BUY else (maker, taker)
        changes = self.changes
        changes.trades += 1
        changes.transactions.append((seq, time, TRADE, asset, event.price, quantity, event.maker_order_id, event.taker_order_id))
        postings = changes.postings
        postings.append((seq, CASH_IN, buyer, CLEARING_ID, currency, value))
        postings.append((seq, CASH_OUT, CLEARING_ID, seller, currency, value))
        postings.append((seq, SECURITIES_IN, seller, CLEARING_ID, asset, quantity))
        postings.append((seq, SECURITIES_OUT, CLEARING_ID, buyer, asset, quantity))
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
            self._fee(seq, MAKER_FEE, maker, currency, event.maker_fee)
        if event.taker_fee:
            self._fee(seq, TAKER_FEE, taker, currency, event.taker_fee)

    def _parties(self, event: TradeBusted | TradeCorrected) -> tuple[_Terms, int, int]:
        """The instrument, and the accounts of maker and taker. Raises LedgerRefused where one is not known."""
        terms = self._instruments.get(event.instrument)
        maker = self.accounts.get(event.maker_account)
        taker = self.accounts.get(event.taker_account)
        if terms is None or maker is None or taker is None:
            raise _unknown(event)
        return terms, maker, taker

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

    def _fee(self, seq: int, leg: int, account: int, currency: int, fee: int) -> None:
        if fee > 0:
            self._move(seq, leg, account, FEES_ID, currency, fee)
        else:
            self._move(seq, leg, FEES_ID, account, currency, -fee)

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
        self.changes.transactions.append((seq, time, kind, None, None, None, None, None))
        if event.by or event.reference:
            self.changes.remarks.append(RemarkRow(seq, None, event.by, event.reference))
        if amount > 0:
            self._move(seq, DEPOSIT_LEG, OUTSIDE_ID, account, asset, amount)
        else:
            self._move(seq, WITHDRAWAL_LEG, account, OUTSIDE_ID, asset, -amount)
        if self.balances[account, asset] != int(event.balance):
            raise LedgerRefused(
                f"event {seq}: the engine has {event.balance} {event.asset} in {event.account}, the ledger "
                f"{self.balances[account, asset]}. `fixserver ledger check` tells more, `fixserver ledger rebuild` posts all anew"
            )

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
            self.changes.accounts.append(row)

    def _define_instrument(self, event: InstrumentDefined, time: int) -> None:
        """Decimals and currency never change, so there is something to do only the first time."""
        if event.instrument in self._instruments:
            return
        if event.currency not in self._currencies:
            self._add_asset(event.seq, AssetRow(self._asset_ids + 1, CURRENCY, event.currency, MONEY_DECIMALS, None, None))
        currency = self._currencies[event.currency]
        self._add_asset(
            event.seq,
            AssetRow(self._asset_ids + 1, INSTRUMENT, event.instrument, event.quantity_decimals, event.price_decimals, currency),
        )

    def _add_asset(self, seq: int, row: AssetRow) -> None:
        self._know_asset(row)
        self.changes.assets.append(row)
        for account in (CLEARING_ID, FEES_ID, OUTSIDE_ID):
            self.balances[account, row.id] = 0
            self.changes.balances[account, row.id] = seq

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
    """The legs of a trade: (leg, from, to, asset, amount)."""
    asset, currency, value_unit = terms
    value = price * quantity * value_unit
    buyer, seller = (taker, maker) if taker_side == BUY else (maker, taker)
    legs = [
        (CASH_IN, buyer, CLEARING_ID, currency, value),
        (CASH_OUT, CLEARING_ID, seller, currency, value),
        (SECURITIES_IN, seller, CLEARING_ID, asset, quantity),
        (SECURITIES_OUT, CLEARING_ID, buyer, asset, quantity),
    ]
    for leg, account, fee in ((MAKER_FEE, maker, maker_fee), (TAKER_FEE, taker, taker_fee)):
        if fee > 0:
            legs.append((leg, account, FEES_ID, currency, fee))
        elif fee < 0:
            legs.append((leg, FEES_ID, account, currency, -fee))
    return legs

"""The order endpoints: requests in JSON made fields of FIX, and the exchange's answers made answers; no rule of the market is
here.

What the exchange has answered is in the event log, and soon after in what the feed keeps: an answer waits for that, so that
who asks for his orders behind it sees what he has just done.
"""

from __future__ import annotations

import asyncio
import re
import time
from typing import Annotated, Any

import msgspec
from litestar import Router, delete, get, patch, post
from litestar.di import Provide
from litestar.params import FromPath, JSONBody
from msgspec import UNSET, Meta, UnsetType

from fixserver.conditions import PEG_PRICE_TYPE_OF, POST_ONLY
from fixserver.initiator import Message
from fixserver.requests import Requests
from fixserver.sessions import utc_text
from fixserver.values import InstrumentNumbers, Refused
from fixserver.web import desk
from fixserver.web.account import own_account
from fixserver.web.backend import Asked, Backend
from fixserver.web.desk import AlreadyAsked, DeskError, NoAnswer, NotConnected, OrderDesk, TooManyWait
from fixserver.web.errors import ApiError, bad_request, errors, too_many, unavailable
from fixserver.web.guards import SECURITY, Participant, participant, signed_in
from fixserver.web.parameters import AccountName, OptionalSymbol, book_of
from fixserver.web.times import moment
from marketdata import orders, own_shapes
from marketdata.own_shapes import SIDES, TYPES, VALIDITIES, Order, PegTo, Side, Type, Validity
from matching.messages import Conditions, Reason

ID_CHARACTERS_MAX = 64
SYMBOL_CHARACTERS_MAX = 64
ORDER_ID_DIGITS_MAX = 20
FEED_SECONDS = 2.0  # for the feed to get to what the exchange has answered
REFUSAL_SECONDS = 0.3  # the same for the reason of a cancel or replace that was refused, which the answer gives no number of
REFUSAL_POLL_SECONDS = 0.005
ORDERS_SHOWN_MAX = 2_000  # the last ones
ORDERS_AT_A_TIME = 200  # made JSON before others of the event loop have their turn
CANCELS_AT_A_TIME = 20

THROTTLED = "8"  # BusinessRejectReason(380)
NOT_AUTHORIZED, UNKNOWN_ID = "0", "1"
REFUSED = "refused"
NO_ORDER = "NONE"

_STATUSES = {Reason.DUPLICATE_CL_ORD_ID: 409, Reason.TOO_LATE: 409, Reason.UNKNOWN_ORDER: 404}
# CxlRejReason(102), where it tells more than that it is another.
_CANCEL_REASONS = {
    "0": Reason.TOO_LATE, "1": Reason.UNKNOWN_ORDER, "6": Reason.DUPLICATE_CL_ORD_ID, "8": Reason.OUTSIDE_PRICE_BAND,
    "18": Reason.OFF_TICK,
}  # fmt: skip
_SIDE_CODES = {word: code for code, word in SIDES.items()}
_TYPE_CODES = {word: code for code, word in TYPES.items()}
_VALIDITY_CODES = {word: code for code, word in VALIDITIES.items()}
_PRICED = ("limit", "stop-limit", "pegged")
_SENT_AS_IT_IS = re.compile("[!-~]+")

Amount = Annotated[str, Meta(pattern=r"^[0-9]{1,20}(\.[0-9]{1,15})?$", description="decimal text")]
Offset = Annotated[str, Meta(pattern=r"^-?[0-9]{1,20}(\.[0-9]{1,15})?$", description="decimal text, below zero too")]
Identifier = Annotated[
    str, Meta(min_length=1, max_length=ID_CHARACTERS_MAX, pattern="^[!-~]+$", description="printable ASCII without blanks")
]
_DATE_TIME = {"extra": {"format": "date-time"}}
Time = Annotated[
    str, Meta(max_length=ID_CHARACTERS_MAX, description="UTC where it says no offset", extra_json_schema=_DATE_TIME)
]


class NewOrder(msgspec.Struct, forbid_unknown_fields=True):
    """An order. What does not apply to its type is left out, or null."""

    symbol: Annotated[str, Meta(min_length=1, max_length=SYMBOL_CHARACTERS_MAX)]
    side: Side
    quantity: Amount
    type: Type = "limit"
    price: Amount | None = None
    time_in_force: Validity = "day"
    stop_price: Amount | None = None
    display_quantity: Amount | None = None
    min_quantity: Amount | None = None
    post_only: bool = False
    peg: PegTo | None = None
    peg_offset: Offset | None = None
    expire_time: Time | None = None
    cl_ord_id: Identifier | None = None


class Change(msgspec.Struct, forbid_unknown_fields=True):
    """What is to be different of an order. What is not named stays; null takes it away."""

    quantity: Amount | UnsetType = UNSET
    type: Type | UnsetType = UNSET
    price: Amount | UnsetType | None = UNSET
    time_in_force: Validity | UnsetType = UNSET
    stop_price: Amount | UnsetType | None = UNSET
    display_quantity: Amount | UnsetType | None = UNSET
    min_quantity: Amount | UnsetType | None = UNSET
    post_only: bool | UnsetType = UNSET
    peg: PegTo | UnsetType | None = UNSET
    peg_offset: Offset | UnsetType | None = UNSET
    expire_time: Time | UnsetType | None = UNSET
    cl_ord_id: Identifier | UnsetType = UNSET


class Orders(msgspec.Struct, frozen=True):
    """The open orders, oldest first."""

    orders: list[Order]


class Canceled(msgspec.Struct, frozen=True):
    """How many orders were canceled."""

    canceled: int


class _Terms(msgspec.Struct):
    """What an order says, as text, as it is sent."""

    quantity: str
    type: Type
    time_in_force: Validity
    price: str | None = None
    stop_price: str | None = None
    display_quantity: str | None = None
    min_quantity: str | None = None
    post_only: bool = False
    peg: PegTo | None = None
    peg_offset: str | None = None
    expire_time: str | None = None


# -------------------------------------------------------------------------------------------------- handlers


@get("/", responses=errors(401, 403), operation_id="open_orders")
async def open_orders(backend: Asked, participant: Participant, account: AccountName = None) -> Orders:
    """The open orders of an account, oldest first: the last 2,000 where there are more."""
    name = own_account(backend, participant, account)
    own = backend.feed.own
    found = [one for one in own.open_orders(participant) if one.account == name][-ORDERS_SHOWN_MAX:]
    shown = []
    for begin in range(0, len(found), ORDERS_AT_A_TIME):
        if begin:
            await asyncio.sleep(0)
        shown += [own_shapes.order(own, one) for one in found[begin : begin + ORDERS_AT_A_TIME] if not one.end]
    return Orders(shown)


@post("/", responses=errors(401, 403, 404, 409, 413, 415, 422, 503, 504), operation_id="enter_order")
async def enter_order(
    backend: Asked, participant: Participant, data: JSONBody[NewOrder], account: AccountName = None
) -> Order:
    """Enter an order.

    The answer is the order as it stands once the exchange has taken it: one that trades at once has traded.
    """
    name = own_account(backend, participant, account)
    book_of(backend.feed.depth, data.symbol)
    terms = _Terms(
        data.quantity, data.type, data.time_in_force, data.price, data.stop_price, data.display_quantity, data.min_quantity,
        data.post_only, data.peg, data.peg_offset, _fix_time(data.expire_time),
    )  # fmt: skip
    fields = [("1", name), ("55", data.symbol), ("54", _SIDE_CODES[data.side]), *_fields(terms, "")]
    entry = _desk(backend)
    cl_ord_id = _id(entry, data.cl_ord_id)
    answer = await _answered(entry.enter(participant, cl_ord_id, fields))
    return await _order(backend, participant, answer)


@patch("/{order_id:str}", responses=errors(401, 403, 404, 409, 413, 415, 422, 503, 504), operation_id="replace_order")
async def replace_order(
    backend: Asked, participant: Participant, order_id: FromPath[str], data: JSONBody[Change], account: AccountName = None
) -> Order:
    """Replace an order.

    `quantity` is the whole, what has been executed included. The order keeps its number, and has another ClOrdID. Where more
    changes than that its quantity becomes less, it goes behind others.
    """
    one = _open_order(backend, participant, order_id, account)
    terms = _terms_of(backend, one)
    for name in terms.__struct_fields__:
        said = getattr(data, name)
        if said is not UNSET:
            setattr(terms, name, _fix_time(said) if name == "expire_time" else said)
    # A time or a peg that was said before goes with the kind of order that it belonged to.
    if terms.time_in_force != "gtd" and data.expire_time is UNSET:
        terms.expire_time = None
    if terms.type != "pegged":
        terms.peg = terms.peg if data.peg is not UNSET else None
        terms.peg_offset = terms.peg_offset if data.peg_offset is not UNSET else None
    if terms.type not in _PRICED and data.price is UNSET:
        terms.price = None
    if terms.type not in ("stop", "stop-limit") and data.stop_price is UNSET:
        terms.stop_price = None
    conditions = one.conditions or Conditions()
    fields = [*_named(one), ("54", one.side), *_fields(terms, one.exec_inst)]
    if conditions.self_match_id:
        fields.append(("2362", conditions.self_match_id))
    if conditions.self_match_instruction:
        fields.append(("2964", conditions.self_match_instruction))
    entry = _desk(backend)
    cl_ord_id = _id(entry, data.cl_ord_id or None)
    answer = await _answered(entry.replace(participant, cl_ord_id, fields))
    if answer["35"] == desk.CANCEL_REJECT:
        raise await _replace_refused(backend, participant, one, {"11": cl_ord_id, **dict(fields)}, answer)
    return await _order(backend, participant, answer)


@delete("/{order_id:str}", status_code=200, responses=errors(401, 403, 404, 409, 422, 503, 504), operation_id="cancel_order")
async def cancel_order(backend: Asked, participant: Participant, order_id: FromPath[str], account: AccountName = None) -> Order:
    """Cancel an order. The answer is the order as it ended."""
    one = _open_order(backend, participant, order_id, account)
    return await _cancel(backend, participant, one)


@delete("/", status_code=200, responses=errors(401, 403, 404, 409, 422, 503, 504), operation_id="cancel_orders")
async def cancel_orders(
    backend: Asked, participant: Participant, symbol: OptionalSymbol = None, account: AccountName = None
) -> Canceled:
    """Cancel all open orders of an account, or those in one instrument."""
    name = own_account(backend, participant, account)
    if symbol is not None:
        book_of(backend.feed.depth, symbol)
    entry = _desk(backend)
    of_others = [one for one in backend.feed.own.open_orders(participant) if one.account != name]
    if of_others:  # which the exchange would cancel as well
        return Canceled(await _cancel_each(backend, participant, name, symbol))
    fields = [("530", "7")] if symbol is None else [("530", "1"), ("55", symbol)]
    answer = await _answered(entry.mass_cancel(participant, entry.new_id(), fields))
    if answer["35"] != desk.MASS_CANCEL_REPORT:
        raise _rejected(answer)
    if answer.get("531") == "0":
        raise ApiError(422, REFUSED, answer.get("58", "the exchange refuses it"))
    await _feed_behind(backend, answer.get("1369", ""))
    return Canceled(int(answer.get("533", "0")))


async def _cancel_each(backend: Backend, participant: str, account: str, symbol: str | None) -> int:
    """Cancel those orders of one account, some at a time; says how many that were."""
    chosen = [
        one
        for one in backend.feed.own.open_orders(participant)
        if one.account == account and (symbol is None or one.instrument == symbol)
    ]
    canceled = 0
    for begin in range(0, len(chosen), CANCELS_AT_A_TIME):
        requests = [_cancel(backend, participant, one) for one in chosen[begin : begin + CANCELS_AT_A_TIME]]
        for result in await asyncio.gather(*requests, return_exceptions=True):
            if isinstance(result, Order):
                canceled += 1
            elif not isinstance(result, ApiError) or result.status not in (404, 409):  # those have ended meanwhile
                raise result
    return canceled


async def _cancel(backend: Backend, participant: str, one: orders.Order) -> Order:
    entry = _desk(backend)
    answer = await _answered(entry.cancel(participant, entry.new_id(), [*_named(one), ("54", one.side)]))
    if answer["35"] == desk.CANCEL_REJECT:
        reason = _CANCEL_REASONS.get(answer.get("102", ""))
        raise _refusal(REFUSED if reason is None else orders.words(reason.name), answer.get("58", ""))
    return await _order(backend, participant, answer)


# ------------------------------------------------------------------------------------------------- to fields


def _desk(backend: Backend) -> OrderDesk:
    entry: OrderDesk | None = backend.desk
    if entry is None or not entry.connected:
        raise unavailable("no-exchange", "the exchange cannot be reached now: nothing was sent")
    return entry


def _id(entry: OrderDesk, said: str | None) -> str:
    if said is None:
        return entry.new_id()
    if not _SENT_AS_IT_IS.fullmatch(said):
        raise bad_request("not-an-identifier", "cl_ord_id: is to be printable ASCII without blanks")
    return said


def _open_order(backend: Backend, participant: str, order_id: str, account: str | None) -> orders.Order:
    """Raises ApiError: 404 for an order that there is not, or that is somebody else's, which makes no difference; 409."""
    name = None if account is None else own_account(backend, participant, account)
    one = None
    if order_id.isascii() and order_id.isdigit() and len(order_id) <= ORDER_ID_DIGITS_MAX:
        one = backend.feed.own.order(participant, int(order_id))
    if one is None or (name is not None and one.account != name):
        raise ApiError(404, "unknown-order", f"there is no open order {order_id} of yours")
    if one.end:
        raise ApiError(409, "too-late", f"order {order_id} has ended: it is {one.status}")
    if not one.cl_ord_id:
        raise ApiError(409, "is-a-quote", f"order {order_id} is a side of a quote: it is replaced or withdrawn with that")
    return one


def _named(one: orders.Order) -> list[tuple[str, str]]:
    """Which order is meant."""
    return [("41", one.cl_ord_id), ("1", one.account), ("55", one.instrument)]


def _terms_of(backend: Backend, one: orders.Order) -> _Terms:
    """As the order says them now."""
    shown = own_shapes.order(backend.feed.own, one)
    return _Terms(
        shown.quantity, shown.type, shown.time_in_force, shown.price, shown.stop_price, shown.display_quantity,
        shown.min_quantity, shown.post_only, shown.peg, shown.peg_offset,
        utc_text(one.expire_time, 9) if one.expire_time else None,
    )  # fmt: skip


def _fields(terms: _Terms, exec_inst: str) -> list[tuple[str, str]]:
    """What an order or a replace says. `exec_inst` is what it said in ExecInst(18) before. Raises ApiError: 400, for what the
    exchange would pass over."""
    order_type, time_in_force = terms.type, terms.time_in_force
    if terms.price is not None and order_type not in _PRICED:
        raise bad_request("does-not-fit", f"price: an order of type {order_type} has none")
    if terms.expire_time is not None and time_in_force != "gtd":
        raise bad_request("does-not-fit", f"expire_time: time_in_force is {time_in_force}, not gtd")
    found = [("38", terms.quantity), ("40", _TYPE_CODES[order_type]), ("59", _VALIDITY_CODES[time_in_force])]
    for tag, said in (
        ("44", terms.price), ("99", terms.stop_price), ("1138", terms.display_quantity), ("110", terms.min_quantity),
        ("211", terms.peg_offset), ("126", terms.expire_time),
    ):  # fmt: skip
        if said is not None:
            found.append((tag, said))
    if terms.peg is not None:
        found.append(("1094", PEG_PRICE_TYPE_OF[terms.peg]))
    instructions = [one for one in exec_inst.split(" ") if one and one not in (POST_ONLY, "R", "M", "P")]
    if terms.post_only:
        instructions.append(POST_ONLY)
    if instructions:
        found.append(("18", " ".join(instructions)))
    return found


def _fix_time(text: str | None) -> str | None:
    time_ns = moment("expire_time", text)
    return None if time_ns is None else utc_text(time_ns, 9)


# -------------------------------------------------------------------------------------------------- of answers


async def _answered(request: Any) -> Message:
    """What the exchange answers. Raises ApiError: 400, 409, 429, 503, 504."""
    try:
        found: Message = await request
    except NotConnected as error:
        raise unavailable("no-exchange", f"{error}: nothing was sent") from None
    except TooManyWait as error:
        raise too_many("too-many-orders", str(error), 1) from None
    except AlreadyAsked as error:
        raise ApiError(409, "duplicate-cl-ord-id", str(error)) from None
    except NoAnswer as error:
        raise ApiError(504, "no-answer", f"{error}: it may have been taken, see the open orders") from None
    except DeskError as error:
        raise unavailable("no-exchange", str(error)) from None
    except ValueError:
        raise bad_request("not-plain-text", "there is a character in the request that cannot be sent to the exchange") from None
    return found


async def _order(backend: Backend, participant: str, answer: Message) -> Order:
    """The order that an answer is about, as it stands behind it. Raises ApiError where the exchange refused the request."""
    own = backend.feed.own
    if answer["35"] != desk.EXECUTION_REPORT:
        raise _rejected(answer)
    refused = answer.get("150") == "8"
    known = answer.get("37", NO_ORDER).isdigit()  # what is refused before it has a number is in no log
    if known:
        await _feed_behind(backend, answer.get("17", ""))
    one = own.order(participant, int(answer["37"])) if known else None
    if refused:
        reason = one.reason if one is not None and one.reason else _word(answer.get("103", ""))
        raise _refusal(reason, answer.get("58", ""))
    if one is None:
        raise ApiError(504, "no-answer", f"order {answer['37']} was taken, and has ended since; see the executions")
    return own_shapes.order(own, one)


async def _feed_behind(backend: Backend, event: str) -> None:
    """Wait for the feed to have taken an event. Raises ApiError: 504."""
    if event.isdigit() and not await backend.progress.until(int(event), FEED_SECONDS):
        raise ApiError(504, "feed-behind", "the exchange has taken it, but the feed is behind: see the open orders in a while")


async def _replace_refused(
    backend: Backend, participant: str, one: orders.Order, fields: dict[str, str], answer: Message
) -> ApiError:
    """Why a replace was refused: CxlRejReason(102) has no code for most reasons, and the report gives no number of an event."""
    reason, text = _CANCEL_REASONS.get(answer.get("102", "")), answer.get("58", "")
    if reason is None:
        terms = backend.feed.own.terms[one.instrument].defined
        numbers = InstrumentNumbers(terms.price_decimals, terms.quantity_decimals, terms.currency)
        try:  # what the exchange refuses before its core, it refuses by this
            Requests({one.instrument: numbers}, 0).replace_order(fields, participant, "", one.cl_ord_id)
        except Refused as refusal:
            reason = refusal.reason
    refusals, key = backend.feed.own.refusals, (participant, fields["11"])
    until = time.monotonic() + REFUSAL_SECONDS
    while reason is None and time.monotonic() < until:
        if key in refusals:
            reason = refusals[key].reason
        else:
            await asyncio.sleep(REFUSAL_POLL_SECONDS)
    return _refusal(REFUSED if reason is None else orders.words(reason.name), text)


def _rejected(answer: Message) -> ApiError:
    """A BusinessMessageReject or a Reject: the exchange did not get as far as to look at the order."""
    text = answer.get("58", "the exchange does not take it")
    if answer["35"] == desk.BUSINESS_REJECT:
        if answer.get("380") == THROTTLED:
            return too_many("too-many-orders", text, 1)
        if answer.get("380") in (NOT_AUTHORIZED, UNKNOWN_ID):
            return ApiError(403, "forbidden", text)
    return ApiError(422, REFUSED, text)


def _word(code: str) -> str:
    """OrdRejReason(103) in words."""
    try:
        return orders.words(Reason(int(code)).name)
    except ValueError:
        return REFUSED


def _refusal(reason: str, text: str) -> ApiError:
    status = next((status for one, status in _STATUSES.items() if orders.words(one.name) == reason), 422)
    return ApiError(status, reason, text or "the exchange refuses it, and does not say why")


orders_router = Router(
    "/orders",
    route_handlers=[open_orders, enter_order, replace_order, cancel_order, cancel_orders],
    guards=[signed_in],
    dependencies={"participant": Provide(participant, sync_to_thread=False)},
    tags=["orders"],
    security=SECURITY,
)

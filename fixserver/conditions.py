"""What few orders say besides the common terms, read from and written as FIX fields, by version. It knows no rule of the market."""

from __future__ import annotations

from fixserver.dialects import Dialect
from fixserver.values import Decimals, InstrumentNumbers, Refused, checked_id, price_of, quantity_of
from matching.messages import Conditions, Peg, Reason

SOH = "\x01"
CANCEL_ON_CONNECTION_LOSS = "o"
POST_ONLY = "6"
PEGS: dict[str, Peg] = {"R": "primary", "M": "midpoint", "P": "market"}  # in ExecInst(18)
PEG_LETTERS = {peg: letter for letter, peg in PEGS.items()}
PEG_PRICE_TYPES: dict[str, Peg] = {"5": "primary", "2": "midpoint", "4": "market"}  # PegPriceType(1094)
PEG_PRICE_TYPE_OF = {peg: price_type for price_type, peg in PEG_PRICE_TYPES.items()}
# 1 and 5, not held and held, change nothing here.
EXEC_INST_TAKEN = frozenset(["1", "5", CANCEL_ON_CONNECTION_LOSS, POST_ONLY, *PEGS])
SELF_MATCH_INSTRUCTIONS = ("1", "2", "3", "4")

STOP_PX, MIN_QTY, MAX_FLOOR, DISPLAY_QTY, PEG_OFFSET, PEG_PRICE_TYPE = "99", "110", "111", "1138", "211", "1094"
SELF_MATCH_IDS = ("2362", "7928")
SELF_MATCH_INSTRUCTION_TAGS = ("2964", "8000")
TAGS = (STOP_PX, MIN_QTY, MAX_FLOOR, DISPLAY_QTY, PEG_OFFSET, PEG_PRICE_TYPE, *SELF_MATCH_IDS, *SELF_MATCH_INSTRUCTION_TAGS)
# What an order may ask for that this venue does not do: refusing is honest, ignoring is not.
NOT_TAKEN = {
    "152": "CashOrderQty", "168": "EffectiveTime", "210": "MaxShow", "388": "DiscretionInst", "516": "OrderPercent",
    "837": "PegLimitType", "838": "PegRoundDirection", "847": "TargetStrategy", "1083": "DisplayWhen", "1085": "DisplayLowQty",
    "1086": "DisplayHighQty", "1087": "DisplayMinIncr", "1088": "RefreshQty", "1089": "MatchIncrement", "1090": "MaxPriceLevels",
    "1096": "PegSecurityIDSource", "1098": "PegSymbol", "1100": "TriggerType", "1629": "ExposureDuration",
}  # fmt: skip
# What may be said as long as it says what happens anyway.
ONLY = {
    "835": ("PegMoveType", "0"), "836": ("PegOffsetType", "0"), "840": ("PegScope", "1"), "1082": ("SecondaryDisplayQty", "0"),
    "1084": ("DisplayMethod", "1"), "1822": ("MinQtyMethod", "1"),
}  # fmt: skip
SPECIAL = frozenset(["18", *TAGS, *NOT_TAKEN, *ONLY])
NONE = Conditions()
SET_AND_ENTRY = "\x1f"  # between the quote set and the entry in a quote_entry_id


def conditions_of(fields: dict[str, str], numbers: InstrumentNumbers) -> Conditions | None:
    """What an order says that has one of SPECIAL. Raises Refused."""
    for tag, name in NOT_TAKEN.items():
        if tag in fields:
            raise Refused(Reason.UNSUPPORTED, f"{name} is not taken")
    for tag, (name, value) in ONLY.items():
        if fields.get(tag, value) != value:
            raise Refused(Reason.UNSUPPORTED, f"{name} {fields[tag][:32]} is not taken")
    instructions = fields["18"].split(" ") if "18" in fields else []
    if not EXEC_INST_TAKEN.issuperset(instructions):
        raise Refused(Reason.UNSUPPORTED, f"ExecInst {fields['18'][:32]} is not taken")
    conditions = Conditions(
        stop_price=price_of(fields[STOP_PX], "StopPx", numbers) if STOP_PX in fields else 0,
        display_quantity=_display_quantity(fields, numbers),
        min_quantity=quantity_of(fields[MIN_QTY], "MinQty", numbers) if MIN_QTY in fields else 0,
        post_only=POST_ONLY in instructions,
        peg=_peg(fields, instructions),
        peg_offset=price_of(fields[PEG_OFFSET], "PegOffsetValue", numbers) if PEG_OFFSET in fields else 0,
        self_match_id=_self_match_id(fields),
        self_match_instruction=_self_match_instruction(fields),  # type: ignore[arg-type]
    )
    return None if conditions == NONE else conditions


def _display_quantity(fields: dict[str, str], numbers: InstrumentNumbers) -> int:
    if MAX_FLOOR in fields and DISPLAY_QTY in fields:
        raise Refused(Reason.UNSUPPORTED, "MaxFloor and DisplayQty say the same: one of them is taken")
    for tag, name in ((DISPLAY_QTY, "DisplayQty"), (MAX_FLOOR, "MaxFloor")):
        if tag in fields:
            shown = quantity_of(fields[tag], name, numbers)
            if not shown:  # elsewhere this hides an order
                raise Refused(Reason.INVALID_QUANTITY, f"{name} is not above zero")
            return shown
    return 0


def _peg(fields: dict[str, str], instructions: list[str]) -> Peg:
    said = {PEGS[letter] for letter in instructions if letter in PEGS}
    if PEG_PRICE_TYPE in fields:
        peg = PEG_PRICE_TYPES.get(fields[PEG_PRICE_TYPE])
        if peg is None:
            raise Refused(Reason.UNSUPPORTED, f"PegPriceType {fields[PEG_PRICE_TYPE][:8]} is not taken")
        said.add(peg)
    if len(said) > 1:
        raise Refused(Reason.UNSUPPORTED, "an order is pegged to one price")
    return said.pop() if said else ""


def _self_match_id(fields: dict[str, str]) -> str:
    tag = next((tag for tag in SELF_MATCH_IDS if tag in fields), None)
    return checked_id(fields[tag], "SelfMatchPreventionID") if tag else ""


def _self_match_instruction(fields: dict[str, str]) -> str:
    tag = next((tag for tag in SELF_MATCH_INSTRUCTION_TAGS if tag in fields), None)
    if tag is None:
        return ""
    if fields[tag] not in SELF_MATCH_INSTRUCTIONS:
        raise Refused(Reason.UNSUPPORTED, f"SelfMatchPreventionInstruction {fields[tag][:8]} is not taken")
    return fields[tag]


def conditions_text(exec_inst: str, conditions: Conditions | None, decimals: Decimals, dialect: Dialect) -> str:
    """What an order said of these, as a version's ExecutionReport says it."""
    if conditions is None:
        return f"18={exec_inst}{SOH}" if exec_inst else ""
    said = []
    peg = conditions.peg
    if peg and not dialect.peg_price_type and PEG_LETTERS[peg] not in exec_inst.split(" "):
        exec_inst = f"{exec_inst} {PEG_LETTERS[peg]}".lstrip()
    if exec_inst:
        said.append(f"18={exec_inst}")
    if conditions.stop_price:
        said.append(f"{STOP_PX}={decimals.price(conditions.stop_price)}")
    if peg and dialect.peg_price_type:
        said.append(f"{PEG_PRICE_TYPE}={PEG_PRICE_TYPE_OF[peg]}")
    if conditions.peg_offset:
        said.append(f"{PEG_OFFSET}={decimals.price(conditions.peg_offset)}")
    if conditions.display_quantity:
        said.append(f"{dialect.display_quantity}={decimals.quantity(conditions.display_quantity)}")
    if conditions.min_quantity:
        said.append(f"{MIN_QTY}={decimals.quantity(conditions.min_quantity)}")
    if conditions.self_match_id:
        said.append(f"{dialect.self_match_id}={conditions.self_match_id}")
    if conditions.self_match_instruction:
        said.append(f"{dialect.self_match_instruction}={conditions.self_match_instruction}")
    if conditions.quote_id:
        said.append(f"117={conditions.quote_id}")
    if conditions.quote_entry_id:
        said.append(f"299={conditions.quote_entry_id.rpartition(SET_AND_ENTRY)[2]}")
    if conditions.list_id:
        said.append(f"66={conditions.list_id}")
    if conditions.contingency and dialect.contingency:
        said.append(f"1385={conditions.contingency}")
    return "".join(f"{field}{SOH}" for field in said)

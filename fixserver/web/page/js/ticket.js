// The order ticket: fields for each type of order, what it would be worth, and the venue's answer in its words; it sends by REST alone.

import { grouped, isPositive, stepped, trimmed } from "./decimal.js";
import { byId, el, mark, say } from "./dom.js";
import { estimate } from "./estimate.js";
import { drawSoon } from "./frame.js";
import { TIMES_IN_FORCE, fieldOfCode, fieldsOf, problemsOf } from "./ticketrules.js";
import { hasEnded, orderWords, statusWords, timeInForceWords, typeWords } from "./words.js";

const PEGS = { primary: "Primary: best of own side", midpoint: "Midpoint", market: "Market: best of other side" };
const LONG = { gtc: "GTC: until canceled", gtd: "GTD: until a time", ioc: "IOC: at once, the rest ends", fok: "FOK: all at once or nothing" };
const MORE = new Set(["display_quantity", "min_quantity", "post_only"]);

export function openTicket({ rest, session, market, book, account, selection, askToSignIn }) {
  const form = byId("ticket-form");
  const inputs = {};
  const rows = {};
  const problems = {};
  let side = "buy";
  let sending = false;

  // ------------------------------------------------------------------------------------------------ the form

  const radio = (name) => {
    const input = el("input", { type: "radio", name: "side", id: `side-${name}`, value: name, checked: name === side });
    input.addEventListener("change", () => chooseSide(name));
    return [input, el("label", { for: `side-${name}`, "data-side": name }, name === "buy" ? "Buy" : "Sell")];
  };

  function field(name, label, input, { wide = false, hint = "" } = {}) {
    input.id = `ticket-${name}`;
    input.name = name;
    const problem = el("p", { class: "problem", id: `ticket-${name}-problem` });
    mark(input, "aria-describedby", problem.id);
    input.addEventListener("input", () => {
      problem.textContent = "";
      mark(input, "aria-invalid", null);
      drawSoon(draw);
    });
    const row = el("div", { class: wide ? "field wide" : "field" }, el("label", { for: input.id }, label, hint ? el("small", {}, ` ${hint}`) : ""), input, problem);
    inputs[name] = input;
    rows[name] = row;
    problems[name] = problem;
    return row;
  }

  const text = (attributes = {}) => el("input", { type: "text", inputmode: "decimal", autocomplete: "off", spellcheck: "false", ...attributes });
  const choice = (options) => el("select", {}, ...options.map(([value, words]) => el("option", { value }, words)));

  const more = el("details", { class: "more" }, el("summary", {}, "More conditions"));
  const value = el("output", { class: "estimate", id: "estimate" });
  const submit = el("button", { type: "submit", class: "submit", id: "ticket-submit" });
  const answer = el("p", { class: "answer", id: "ticket-answer", role: "status" });

  form.append(
    el("fieldset", { class: "sides" }, el("legend", { class: "visually-hidden" }, "Side"), ...radio("buy"), ...radio("sell")),
    el(
      "div",
      { class: "fields" },
      field("type", "Type", choice(Object.keys(TIMES_IN_FORCE).map((type) => [type, typeWords(type)]))),
      field("time_in_force", "Time in force", choice([])),
      field("quantity", "Quantity", text()),
      field("price", "Price", text()),
      field("stop_price", "Stop price", text()),
      field("peg", "Pegged to", choice(Object.entries(PEGS)), { wide: true }),
      field("peg_offset", "Offset", text({ placeholder: "0" })),
      field("expire_time", "Until", el("input", { type: "datetime-local", step: "1" }), { wide: true, hint: "UTC" }),
    ),
    more,
    value,
    submit,
    answer,
  );
  more.append(
    el(
      "div",
      { class: "fields" },
      field("display_quantity", "Show only", text({ placeholder: "all" }), { hint: "iceberg" }),
      field("min_quantity", "At least", text({ placeholder: "any" })),
      el("div", { class: "field wide", id: "post-only-row" }, el("label", { class: "check" }, (inputs.post_only = el("input", { type: "checkbox", id: "ticket-post_only", name: "post_only" })), "Post only: never take")),
      field("cl_ord_id", "ClOrdID", text({ inputmode: "text", placeholder: "made here", maxlength: "40" }), { wide: true }),
    ),
  );
  rows.post_only = byId("post-only-row");

  // ------------------------------------------------------------------------------------------------- drawing

  const type = () => inputs.type.value;
  const instrument = () => market.instrument(selection.symbol);

  function chooseSide(name) {
    side = name;
    byId(`side-${name}`).checked = true;
    drawSoon(draw);
  }

  function offerTimesInForce() {
    const before = inputs.time_in_force.value;
    const offered = TIMES_IN_FORCE[type()];
    inputs.time_in_force.replaceChildren(...offered.map((code) => el("option", { value: code }, LONG[code] ?? timeInForceWords(code))));
    inputs.time_in_force.value = offered.includes(before) ? before : offered[0];
  }

  /** The order as the fields have it; what does not apply is not there. */
  function order() {
    const applies = fieldsOf(type(), inputs.time_in_force.value);
    const made = { symbol: selection.symbol, side, type: type(), time_in_force: inputs.time_in_force.value };
    for (const name of applies) {
      if (name === "post_only") made.post_only = inputs.post_only.checked;
      else if (name === "expire_time") made.expire_time = inputs.expire_time.value ? `${inputs.expire_time.value.padEnd(19, ":00")}Z` : "";
      else made[name] = inputs[name].value.trim().replaceAll(",", "");
    }
    if (inputs.cl_ord_id.value.trim()) made.cl_ord_id = inputs.cl_ord_id.value.trim();
    return made;
  }

  function draw() {
    const applies = fieldsOf(type(), inputs.time_in_force.value);
    for (const [name, row] of Object.entries(rows)) if (!["type", "time_in_force", "cl_ord_id"].includes(name)) row.hidden = !applies.has(name);
    mark(form, "data-side", side);
    const one = instrument();
    const now = order();
    say(byId("ticket-symbol"), selection.symbol);
    if (one === undefined) return;
    drawEstimate(now, one);
    submit.disabled = sending;
    if (session.participant === null) say(submit, "Sign in to trade");
    else if (sending) say(submit, "Sending …");
    else say(submit, `${side === "buy" ? "Buy" : "Sell"}${isPositive(now.quantity) ? ` ${grouped(now.quantity)}` : ""} ${selection.symbol}`);
    mark(submit, "data-side", session.participant === null ? null : side);
  }

  function drawEstimate(now, one) {
    const worth = estimate(now, book, one);
    const lines = [];
    if (worth !== null) {
      lines.push(["Value", `${grouped(worth.value)} ${one.currency}`, worth.words]);
      if (isPositive(worth.fee)) lines.push(["Fee at most", `${grouped(worth.fee)} ${one.currency}`, ""]);
    }
    const cash = account.balances.find((balance) => balance.asset === one.currency);
    const holding = account.holdings.find((held) => held.symbol === one.symbol);
    if (account.isThere.balances) {
      if (side === "buy") lines.push(["Available", cash ? `${grouped(trimmed(cash.available, 2))} ${one.currency}` : `0 ${one.currency}`, ""]);
      else lines.push(["Available", `${holding ? grouped(trimmed(holding.available)) : 0} ${one.symbol}`, ""]);
    }
    while (value.childElementCount > lines.length) value.lastChild.remove();
    lines.forEach(([name, amount, words], index) => {
      value.children[index] ?? value.append(el("span", { class: "line" }, el("span"), el("b"), el("small")));
      [name, amount, words].forEach((part, place) => say(value.children[index].children[place], part));
    });
  }

  // ------------------------------------------------------------------------------------------------- sending

  function complain(found) {
    for (const [name, problem] of Object.entries(problems)) {
      say(problem, found[name] ?? "");
      mark(inputs[name], "aria-invalid", found[name] ? "true" : null);
    }
    const first = Object.keys(problems).find((name) => found[name] && !rows[name].hidden);
    if (first === undefined) return;
    if (MORE.has(first) || first === "cl_ord_id") more.open = true;
    inputs[first].focus();
  }

  function reply(words, tone) {
    answer.dataset.tone = tone;
    answer.textContent = words;
  }

  async function send() {
    if (session.participant === null) {
      askToSignIn();
      return;
    }
    if (sending) return;
    const one = order();
    const found = problemsOf(one, instrument(), Date.now());
    complain(found);
    if (Object.keys(found).length) {
      reply("Not sent: see above.", "bad");
      return;
    }
    const sent = Object.fromEntries(Object.entries(one).filter(([, given]) => given !== "" && given !== false));
    sending = true;
    reply("", "");
    draw();
    try {
      const taken = await rest.post("/v1/orders", sent);
      const ended = hasEnded(taken.status);
      const executed = isPositive(taken.executed ?? "0") && taken.average_price ? `, ${trimmed(taken.executed)} at ${trimmed(taken.average_price, 2)}` : "";
      reply(`${statusWords(taken.status)}${executed}: ${orderWords({ ...one, ...taken })}${taken.reason ? ` (${taken.reason})` : ""}. Order ${taken.order_id}.`, ended && taken.status !== "filled" ? "bad" : "good");
      inputs.cl_ord_id.value = "";
    } catch (failure) {
      const name = failure.status === 422 || failure.status === 409 || failure.status === 400 ? fieldOfCode(failure.code) : null;
      if (name !== null && rows[name] !== undefined && !rows[name].hidden) complain({ [name]: failure.message });
      reply(failure.status === 504 || failure.status === 0 ? failure.message : `Refused: ${failure.message}`, "bad");
    } finally {
      sending = false;
      draw();
    }
  }

  // -------------------------------------------------------------------------------------------------- events

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send();
  });
  inputs.type.addEventListener("input", () => {
    offerTimesInForce();
    complain({});
    drawSoon(draw);
  });
  const steps = { quantity: "lot", display_quantity: "lot", min_quantity: "lot", price: "tick", stop_price: "tick" };
  for (const [name, step] of Object.entries(steps)) {
    inputs[name].addEventListener("keydown", (event) => {
      const direction = { ArrowUp: 1, ArrowDown: -1 }[event.key];
      if (direction === undefined || instrument() === undefined) return;
      event.preventDefault();
      const one = instrument();
      const decimals = step === "tick" ? one.price_decimals : 0;
      let text = inputs[name].value.trim() || (step === "tick" ? (market.of(one.symbol).last ?? one.reference_price) : "0");
      for (let times = event.shiftKey ? 10 : 1; times > 0; times--) text = stepped(text, one[step], direction, step === "tick" ? decimals : one.quantity_decimals);
      inputs[name].value = step === "tick" ? text : trimmed(text);
      inputs[name].dispatchEvent(new Event("input"));
    });
  }
  book.changes.listen(() => drawSoon(draw));
  account.changes.listen((what) => what === "balances" && drawSoon(draw));
  session.changes.listen(() => {
    reply("", "");
    drawSoon(draw);
  });
  selection.changes.listen(() => {
    for (const name of ["price", "stop_price", "display_quantity", "min_quantity", "peg_offset"]) inputs[name].value = "";
    complain({});
    reply("", "");
    drawSoon(draw);
  });
  offerTimesInForce();

  return {
    /** Put a price in, where the type has one; otherwise it becomes a limit order. */
    price(text) {
      const name = fieldsOf(type(), inputs.time_in_force.value).has("price") ? "price" : type() === "stop" ? "stop_price" : "price";
      if (rows[name].hidden && name === "price") {
        inputs.type.value = "limit";
        offerTimesInForce();
      }
      inputs[name].value = text;
      inputs[name].dispatchEvent(new Event("input"));
      drawSoon(draw);
    },
    side(name) {
      chooseSide(name);
      inputs.quantity.focus();
      inputs.quantity.select();
    },
    focus(name) {
      const there = inputs[name].closest("[hidden]") === null ? name : "quantity";
      inputs[there].focus();
      inputs[there].select?.();
    },
  };
}

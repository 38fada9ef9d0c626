// The FIX traffic of who is signed in: live, filtered, decoded, and an order followed from its first message to its last.

import { byId, el, mark, say } from "./dom.js";
import { drawSoon } from "./frame.js";
import { layerOf, meaningOf, valueOf } from "./messages.js";
import { Rows } from "./rows.js";
import { timeOfDay } from "./words.js";

const ROW_PIXELS = 26;
const HEADER = new Set([8, 9, 35, 34, 49, 56, 52, 50, 57, 115, 116, 128, 129, 43, 97, 122, 1128, 10]);
const NS = 1_000_000_000n;

/** Nanoseconds of a time of the venue. */
const nanoseconds = (time) => BigInt(Date.parse(`${time.slice(0, 19)}Z`)) * 1_000_000n + BigInt((time.slice(20).replace("Z", "") || "0").padEnd(9, "0"));

/** "+1.204 ms" between two times. */
export function between(earlier, later) {
  const ns = nanoseconds(later) - nanoseconds(earlier);
  if (ns === 0n) return "+0";
  if (ns >= 100n * NS) return `+${(Number(ns / 1_000_000n) / 1000).toFixed(0)} s`;
  if (ns >= NS) return `+${(Number(ns / 1_000_000n) / 1000).toFixed(2)} s`;
  return `+${(Number(ns) / 1e6).toFixed(3)} ms`;
}

/** "Partially filled" of what the dictionary calls "partially filled"; what it does not know stays as it is. */
const meaningWords = (meaning) => (/^[a-z]/.test(meaning) ? meaning[0].toUpperCase() + meaning.slice(1) : meaning);

/** What a message says, in a line: "Buy 100 AAPL at 189.50 · New · text". */
export function summaryOf(message) {
  const value = (tag) => valueOf(message, tag);
  const meaning = (tag) => meaningWords(meaningOf(message, tag));
  const parts = [];
  const order = [meaning(54), value(38), value(55), value(44) && `at ${value(44)}`, value(99) && `stop ${value(99)}`].filter(Boolean).join(" ");
  if (order) parts.push(order);
  if (value(150)) parts.push(meaning(150));
  if (value(32) && Number(value(32)) && value(31)) parts.push(`${value(32)} at ${value(31)}`);
  if (value(39) && meaning(39) !== meaning(150)) parts.push(meaning(39));
  for (const tag of [103, 102, 380, 373, 281, 636]) if (value(tag)) parts.push(meaning(tag));
  if (value(58)) parts.push(value(58));
  if (message.type === "A" && value(108)) parts.push(`heartbeat ${value(108)} s`);
  if (message.type === "2") parts.push(`${value(7)} to ${value(16) === "0" ? "the last" : value(16)}`);
  if (message.type === "4" && value(36)) parts.push(`next is ${value(36)}`);
  if (value(262) && !order) parts.push(value(262));
  return parts.join(" · ");
}

export function openTraffic({ messages, session, stream, announce, askToSignIn }) {
  const view = byId("traffic");
  const filter = { types: new Set(), text: "", session: "", direction: "", isQuiet: true };
  let followed = null; // { names, title } of the order that is followed
  let frozen = null; // what is shown while paused
  let chosen = null;
  let fresh = 0;
  let isDirty = true;

  // -------------------------------------------------------------------------------------------------- elements

  const search = el("input", { type: "search", id: "traffic-search", placeholder: "ClOrdID, symbol, text or 39=8", autocomplete: "off", spellcheck: "false", oninput: refilter });
  const sessions = el("select", { id: "traffic-session", onchange: refilter }, el("option", { value: "" }, "All sessions"));
  const directions = el("select", { id: "traffic-direction", onchange: refilter }, el("option", { value: "" }, "Both ways"), el("option", { value: "in" }, "→ to the venue"), el("option", { value: "out" }, "← from the venue"));
  const quiet = el("input", { type: "checkbox", id: "traffic-quiet", onchange: refilter });
  const pause = el("button", { type: "button", id: "traffic-pause", "aria-pressed": "false", onclick: togglePause }, "Pause");
  const clear = el("button", { type: "button", class: "quiet", onclick: () => { messages.clear(); choose(null); } }, "Clear");
  const download = el("button", { type: "button", class: "quiet", id: "traffic-download", onclick: save }, "Download");
  const types = el("div", { class: "chips", role: "group", "aria-label": "Types of messages; none pressed shows all" });
  const follow = el("div", { class: "following", id: "traffic-following", hidden: true });
  const note = el("p", { class: "note", id: "traffic-note", role: "status" });
  const label = (words, control) => el("label", { for: control.id }, el("span", { class: "visually-hidden" }, words), control);

  const rows = new Rows({ label: "Messages", height: ROW_PIXELS, make: makeRow, fill: fillRow, choose });
  const head = el("div", { class: "message head", "aria-hidden": "true" }, ...["Time", "Since before", "Session", "", "Type", "ClOrdID", "What it says"].map((name) => el("span", {}, name)));
  const empty = el("div", { class: "empty", id: "traffic-empty" }, el("p"), el("button", { type: "button", class: "primary", onclick: askToSignIn }, "Sign in"));
  const detail = el("section", { class: "panel detail", "aria-label": "The message in full", hidden: true });

  view.append(
    el(
      "section",
      { class: "panel messages", "aria-labelledby": "traffic-title" },
      el("div", { class: "tools" }, el("h2", { id: "traffic-title", class: "visually-hidden" }, "FIX traffic"), label("Find", search), label("Session", sessions), label("Direction", directions), el("label", { class: "check" }, quiet, "Session messages"), el("span", { class: "gap" }), pause, clear, download),
      types,
      follow,
      head,
      rows.node,
      empty,
      note,
    ),
    detail,
  );

  function makeRow() {
    const names = ["time", "since", "session", "direction", "type", "id", "summary"];
    const cells = names.map((name) => el("span", { class: name }));
    const node = el("div", { class: "message" }, ...cells);
    node.cells = Object.fromEntries(names.map((name, index) => [name, cells[index]]));
    node.cells.code = el("b");
    node.cells.name = el("span", { class: "name" });
    node.cells.type.append(node.cells.code, node.cells.name);
    node.cells.clock = el("span");
    node.cells.micros = el("span", { class: "micros" });
    node.cells.time.append(node.cells.clock, node.cells.micros);
    node.cells.arrow = el("span", { "aria-hidden": "true" });
    node.cells.way = el("span", { class: "visually-hidden" });
    node.cells.direction.append(node.cells.arrow, node.cells.way);
    return node;
  }

  function fillRow(node, message, before) {
    if (node.message === message && node.before === before) return;
    node.message = message;
    node.before = before;
    const { cells } = node;
    say(cells.clock, timeOfDay(message.time, 3));
    say(cells.micros, message.time.slice(23, 26));
    say(cells.since, before === undefined ? "" : between(before.time, message.time));
    say(cells.session, message.session);
    say(cells.arrow, message.direction === "in" ? "→" : "←");
    say(cells.way, message.direction === "in" ? "to the venue" : "from the venue");
    say(cells.code, message.type);
    say(cells.name, message.name);
    say(cells.id, (message.cl_ord_ids ?? []).join(" ← "));
    mark(cells.id, "title", cells.id.textContent || null);
    message.summary ??= summaryOf(message);
    say(cells.summary, message.summary);
    mark(node, "data-direction", message.direction);
    mark(node, "data-bad", isBad(message) ? "" : null);
  }

  // --------------------------------------------------------------------------------------------------- filtering

  function isBad(message) {
    return ["3", "j", "9", "Y", "r"].includes(message.type) ? message.type !== "r" || valueOf(message, 531) === "0" : message.type === "8" && valueOf(message, 39) === "8";
  }

  function isShown(message) {
    if (followed !== null) return messages.belongs(message, followed.names);
    if (filter.types.size ? !filter.types.has(message.type) : filter.isQuiet && layerOf(message.type) === "session") return false;
    if (filter.session && message.session !== filter.session) return false;
    if (filter.direction && message.direction !== filter.direction) return false;
    if (!filter.text) return true;
    message.searched ??= `|${message.raw}|${message.name}`.toLowerCase();
    return message.searched.includes(filter.text);
  }

  function refilter() {
    filter.text = search.value.trim().toLowerCase();
    if (/^\d+=/.test(filter.text)) filter.text = `|${filter.text}`;
    filter.session = sessions.value;
    filter.direction = directions.value;
    filter.isQuiet = !quiet.checked;
    redraw();
  }

  function redraw() {
    isDirty = true;
    drawSoon(draw);
  }

  function draw() {
    if (view.hidden) return;
    if (!isDirty) return;
    isDirty = false;
    const all = frozen ?? messages.list;
    if (followed !== null) followed.names = messages.chain(followed.names);
    const shown = all.filter(isShown);
    rows.show(shown);
    drawChips();
    drawSessions();
    drawFollowing(shown);
    const isSignedIn = session.participant !== null;
    empty.hidden = shown.length > 0;
    head.hidden = rows.node.hidden = shown.length === 0;
    say(empty.firstChild, !isSignedIn ? "Sign in to see the messages of your own FIX sessions, as they come and go." : messages.refusal ? messages.refusal : !messages.isThere ? "Loading …" : all.length === 0 ? "No messages yet. Log on with a FIX client, or send an order here." : "No message passes the filter.");
    empty.lastChild.hidden = isSignedIn;
    const dropped = messages.dropped ? `, ${messages.dropped} more came too fast to be shown` : "";
    const counted = (shown.length === all.length ? `${all.length} messages` : `${shown.length} of ${all.length} messages`) + dropped;
    say(note, isSignedIn && messages.isThere ? `${counted}${frozen === null ? (stream.state === "live" ? ", live" : "") : `, paused, ${fresh} since`}` : "");
  }

  const chips = new Map();
  function drawChips() {
    const names = [...messages.types.entries()].sort(([a], [b]) => (layerOf(a) === layerOf(b) ? (a < b ? -1 : 1) : layerOf(a) === "application" ? -1 : 1));
    for (const [type, chip] of chips) {
      if (messages.types.has(type)) continue;
      chip.remove();
      chips.delete(type);
      filter.types.delete(type);
    }
    names.forEach(([type, { name, count }], index) => {
      let chip = chips.get(type);
      if (chip === undefined) {
        chip = el("button", { type: "button", class: "chip", onclick: () => toggleType(type) }, el("b", {}, type), ` ${name} `, el("span"));
        chips.set(type, chip);
      }
      say(chip.lastChild, String(count));
      mark(chip, "aria-pressed", String(filter.types.has(type)));
      if (types.children[index] !== chip) types.insertBefore(chip, types.children[index] ?? null);
    });
    types.hidden = chips.size === 0;
  }

  function toggleType(type) {
    if (!filter.types.delete(type)) filter.types.add(type);
    redraw();
  }

  function drawSessions() {
    const names = [...messages.sessions.keys()].sort();
    const there = [...sessions.options].slice(1).map((option) => option.value);
    if (names.join() === there.join()) return;
    const chosenBefore = sessions.value;
    sessions.replaceChildren(sessions.options[0], ...names.map((name) => el("option", { value: name }, name)));
    sessions.value = names.includes(chosenBefore) ? chosenBefore : "";
  }

  // ------------------------------------------------------------------------------------------- following an order

  function drawFollowing(shown) {
    follow.hidden = followed === null;
    if (followed === null) return;
    const ids = [...followed.names].filter((name) => name.startsWith("c:")).map((name) => name.slice(2));
    const span = shown.length > 1 ? between(shown[0].time, shown.at(-1).time) : "";
    if (follow.childElementCount === 0)
      follow.append(el("span", {}, "Following one order: "), el("b", { class: "mono" }), el("span"), el("button", { type: "button", id: "traffic-unfollow", onclick: () => followNames(null) }, "Show all messages"));
    say(follow.children[1], ids.join(" → ") || "no ClOrdID");
    const path = shown.map((message) => (message.type === "8" ? meaningWords(meaningOf(message, 150) || meaningOf(message, 39)) : "")).filter((step, place, steps) => step && step !== steps[place - 1]);
    const told = [`${shown.length} message${shown.length === 1 ? "" : "s"}`, span && `${span} from the first to the last`, path.join(" → ")].filter(Boolean);
    say(follow.children[2], ` · ${told.join(" · ")}`);
  }

  function followNames(names) {
    followed = names === null ? null : { names };
    rows.toEnd();
    redraw();
  }

  // -------------------------------------------------------------------------------------------------------- detail

  function choose(message) {
    if (chosen === message && message !== null) return;
    chosen = message;
    detail.hidden = message === null;
    view.classList.toggle("with-detail", message !== null);
    if (message === null) {
      detail.replaceChildren();
      return;
    }
    const raw = el("pre", { class: "mono", id: "raw", tabindex: "0", "aria-label": "Raw text" }, message.raw);
    const rawBox = el("div", { class: "raw", hidden: true }, raw);
    const showRaw = el("button", { type: "button", id: "traffic-raw", "aria-expanded": "false", "aria-controls": "raw" }, "Raw text");
    showRaw.addEventListener("click", () => {
      rawBox.hidden = !rawBox.hidden;
      mark(showRaw, "aria-expanded", String(!rawBox.hidden));
    });
    const copy = el("button", { type: "button", id: "traffic-copy" }, "Copy");
    copy.addEventListener("click", () => copyText(message.raw, copy));
    const names = messages.chainOf(message);
    const followIt = el("button", { type: "button", class: "primary", id: "traffic-follow", hidden: names.size === 0, onclick: () => followNames(names) }, "Follow this order");
    detail.replaceChildren(
      el("div", { class: "panel-head" }, el("h2", {}, el("b", { class: "mono" }, message.type), ` ${message.name}`), el("button", { type: "button", class: "icon", "aria-label": "Close the message", onclick: () => { rows.choose(null); rows.node.focus(); } }, "×")),
      el("p", { class: "when note" }, `${message.direction === "in" ? "→ to the venue" : "← from the venue"}, ${message.session}, ${message.time.slice(0, 10)} ${timeOfDay(message.time, 9)} UTC`),
      el("div", { class: "detail-tools" }, followIt, showRaw, copy),
      rawBox,
      el(
        "div",
        { class: "fields-scroll", tabindex: "0", role: "region", "aria-label": "Fields" },
        el(
          "table",
          { class: "field-table" },
          el("thead", {}, el("tr", {}, ...["Tag", "Name", "Value", "Meaning"].map((name) => el("th", { scope: "col" }, name)))),
          el("tbody", {}, ...message.fields.map(fieldRow)),
        ),
      ),
    );
  }

  function fieldRow([tag, name, value, meaning]) {
    return el("tr", { class: HEADER.has(Number(tag)) ? "frame" : null }, el("td", { class: "mono" }, String(tag)), el("td", {}, name && name !== "?" ? name : "not in the dictionary"), el("td", { class: "mono" }, value), el("td", {}, meaningWords(meaning ?? "")));
  }

  async function copyText(text, button) {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
      setTimeout(() => (button.textContent = "Copy"), 1500);
    } catch {
      byId("traffic-raw").ariaExpanded === "true" || byId("traffic-raw").click();
      getSelection().selectAllChildren(byId("raw"));
      announce("Press Ctrl+C", "The browser does not let a page copy here; the text is selected.");
    }
  }

  // ------------------------------------------------------------------------------------------------ pause and save

  function togglePause() {
    frozen = frozen === null ? [...messages.list] : null;
    fresh = 0;
    mark(pause, "aria-pressed", String(frozen !== null));
    say(pause, frozen === null ? "Pause" : "Go on");
    redraw();
  }

  function save() {
    const lines = (frozen ?? messages.list).filter(isShown).map((message) => `${message.time} ${message.session} ${message.direction === "in" ? "->" : "<-"} ${message.raw}\n`);
    const url = URL.createObjectURL(new Blob(lines, { type: "text/plain" }));
    el("a", { href: url, download: `fix-${session.participant ?? "traffic"}.txt` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  }

  messages.changes.listen((what) => {
    if (what === "more" && frozen !== null) fresh = messages.list.length - frozen.length;
    redraw();
  });
  session.changes.listen(() => {
    followed = null;
    frozen = null;
    mark(pause, "aria-pressed", "false");
    say(pause, "Pause");
    rows.choose(null);
    redraw();
  });
  stream.changes.listen(redraw);

  return {
    redraw,
    /** Show the messages of an order by its ClOrdID and its number at the venue. */
    trace(clOrdId, orderId) {
      followNames(new Set([clOrdId && `c:${clOrdId}`, orderId && `o:${orderId}`].filter(Boolean)));
    },
    focus: () => search.focus(),
  };
}

// Shortcuts of single keys, listed under "?", and to be switched off; none works while one types.

import { byId, el } from "./dom.js";

const KEY = "fixserver-shortcuts";

/** `shortcuts` are [what they do, { key: act }]; a key may be written "Shift+X". Many keys are listed as the first and the last. */
export function openKeys(shortcuts) {
  const dialog = byId("help-dialog");
  const box = byId("shortcuts-on");
  const byKey = new Map();
  for (const [words, acts] of shortcuts) {
    for (const [key, act] of Object.entries(acts)) byKey.set(key, act);
    const keys = Object.keys(acts);
    const listed = keys.length > 2 ? [keys[0], "to", keys.at(-1)] : keys;
    byId("shortcuts").append(el("dt", {}, ...listed.map((key) => (key === "to" ? key : el("kbd", {}, key)))), el("dd", {}, words));
  }
  for (const [key, words] of [["Enter", "Send the order, save a change"], ["↑ ↓", "A tick or lot more or less; with Shift ten; in lists: move"], ["Esc", "Leave a field or a dialog"]])
    byId("shortcuts").append(el("dt", {}, el("kbd", {}, key)), el("dd", {}, words));
  try {
    box.checked = localStorage.getItem(KEY) !== "off";
  } catch {
    box.checked = true;
  }
  box.addEventListener("change", () => {
    try {
      localStorage.setItem(KEY, box.checked ? "on" : "off");
    } catch {
      // not remembered then
    }
  });
  byId("help").addEventListener("click", () => dialog.showModal());

  document.addEventListener("keydown", (event) => {
    const { target } = event;
    // A dialog that has just been closed keeps the focus until the next frame.
    const types = target.closest("input:not([type=radio], [type=checkbox]), select, textarea") !== null && target.closest("dialog:not([open])") === null;
    if (types) {
      if (event.key === "Escape") target.blur();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]") !== null) return;
    if (event.key === "?") dialog.showModal();
    if (!box.checked) return;
    const act = byKey.get(event.shiftKey && /^[A-Z]$/.test(event.key) ? `Shift+${event.key}` : event.key.toUpperCase());
    if (act === undefined) return;
    event.preventDefault();
    act();
  });
}

// Says what happened: to a screen reader at once, on the screen as a note that goes by itself; it never takes the focus.

import { byId, el } from "./dom.js";

const SHOWN_SECONDS = 7;
const TOASTS_MAX = 4;
const SPOKEN_MAX = 20;

/** For a screen reader alone: what everybody else can see. */
export function speak(words, tone = "plain") {
  const spoken = byId(tone === "bad" ? "assertive" : "polite");
  spoken.append(el("p", {}, words));
  while (spoken.childElementCount > SPOKEN_MAX) spoken.firstChild.remove();
}

/** `tone` is good, bad or plain; what is bad interrupts a screen reader. */
export function announce(title, text = "", tone = "plain") {
  speak(text ? `${title}. ${text}` : title, tone);

  const toasts = byId("toasts");
  const close = el("button", { type: "button", class: "icon", "aria-label": "Close this note" }, "×");
  const toast = el("div", { class: "toast", "data-tone": tone }, el("div", {}, el("strong", {}, title), el("span", {}, text)), close);
  let timer = setTimeout(() => toast.remove(), SHOWN_SECONDS * 1000);
  toast.addEventListener("pointerenter", () => clearTimeout(timer));
  toast.addEventListener("pointerleave", () => (timer = setTimeout(() => toast.remove(), 2000)));
  close.addEventListener("click", () => toast.remove());
  toasts.append(toast);
  while (toasts.childElementCount > TOASTS_MAX) toasts.firstChild.remove();
}

// Dark, light, or as the system has it: a button that is remembered, and the colours for what draws by itself.

import { Changes } from "./changes.js";
import { byId, mark, say } from "./dom.js";

const KEY = "fixserver-theme";
const NEXT = { system: "light", light: "dark", dark: "system" };
const SIGN = { system: "◐", light: "☀", dark: "☾" };

export const themeChanges = new Changes();

export function openTheme() {
  const button = byId("theme");
  const root = document.documentElement;
  const show = () => {
    const theme = root.dataset.theme ?? "system";
    say(button, SIGN[theme]);
    const words = theme === "system" ? "as the system has it" : theme;
    mark(button, "aria-label", `Theme: ${words}. Change it`);
    mark(button, "title", `Theme: ${words} (D)`);
  };
  button.addEventListener("click", () => {
    const next = NEXT[root.dataset.theme ?? "system"];
    if (next === "system") delete root.dataset.theme;
    else root.dataset.theme = next;
    try {
      localStorage.setItem(KEY, next);
    } catch {
      // not remembered then
    }
    show();
    themeChanges.tell();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => themeChanges.tell());
  show();
}

/** A colour of css/base.css as it is now, in a form that a canvas takes. */
export function colour(name) {
  const probe = document.createElement("i");
  probe.hidden = true;
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

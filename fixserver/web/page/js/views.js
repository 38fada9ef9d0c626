// Which part of the screen is shown: trading or traffic, tabs of the account, tabs at the bottom of a telephone.

import { byId, mark } from "./dom.js";

export function openViews({ shown }) {
  function view(name) {
    document.body.dataset.view = name;
    byId("trade").hidden = name !== "trade";
    byId("traffic").hidden = name !== "traffic";
    for (const one of ["trade", "traffic"]) mark(byId(`view-${one}`), "aria-pressed", String(one === name));
    shown(name);
  }
  byId("view-trade").addEventListener("click", () => view("trade"));
  byId("view-traffic").addEventListener("click", () => view("traffic"));

  function part(name) {
    document.body.dataset.tab = name;
    for (const button of byId("bottom-tabs").children) mark(button, "aria-current", button.dataset.tab === name ? "true" : null);
  }
  for (const button of byId("bottom-tabs").children) button.addEventListener("click", () => part(button.dataset.tab));
  part(document.body.dataset.tab);

  const tabs = [...byId("account-tabs").children];
  function tab(chosen) {
    for (const one of tabs) {
      mark(one, "aria-selected", String(one === chosen));
      mark(one, "tabindex", one === chosen ? "0" : "-1");
      byId(one.getAttribute("aria-controls")).hidden = one !== chosen;
    }
    shown("account");
  }
  for (const one of tabs) {
    one.addEventListener("click", () => tab(one));
    one.addEventListener("keydown", (event) => {
      const next = tabs[tabs.indexOf(one) + ({ ArrowLeft: -1, ArrowRight: 1 }[event.key] ?? NaN)];
      if (next === undefined) return;
      tab(next);
      next.focus();
    });
  }
  return {
    view,
    part,
    tab: (name) => {
      tab(byId(`tab-${name}`));
      byId(`tab-${name}`).focus();
    },
    get name() {
      return document.body.dataset.view;
    },
  };
}

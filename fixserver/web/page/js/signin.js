// The dialog to sign in by; it keeps no password longer than the request takes.

import { announce, speak } from "./announce.js";
import { byId, say } from "./dom.js";

export function openSignIn(session) {
  const dialog = byId("sign-in-dialog");
  const form = byId("sign-in-form");
  const submit = byId("sign-in-submit");

  function ask(why = "") {
    if (dialog.open) return;
    say(byId("sign-in-problem"), why);
    dialog.showModal();
    byId("name").focus();
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (submit.disabled) return;
    const [name, password] = [byId("name").value.trim(), byId("password").value];
    if (!name || !password) {
      say(byId("sign-in-problem"), "Enter name and password.");
      byId(name ? "password" : "name").focus();
      return;
    }
    submit.disabled = true;
    say(byId("sign-in-problem"), "");
    try {
      await session.signIn(name, password);
      form.reset();
      dialog.close();
    } catch (failure) {
      const wait = failure.retryAfter ? ` Try again in ${failure.retryAfter} seconds.` : "";
      say(byId("sign-in-problem"), failure.message + wait);
      byId("password").value = "";
      byId("password").focus();
    } finally {
      submit.disabled = false;
    }
  });
  byId("sign-in").addEventListener("click", () => ask());
  byId("sign-in-leave").addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => form.reset());
  byId("sign-out").addEventListener("click", () => session.signOut());
  session.changes.listen((participant, why) => {
    if (participant !== null) speak(`Signed in as ${participant}`);
    else if (why === null) speak("Signed out");
    else announce("Signed out", why, "bad");
  });
  return ask;
}

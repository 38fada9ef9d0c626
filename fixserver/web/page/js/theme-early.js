// Sets the theme before anything is drawn, so that no page flashes; a classic script, because a module would come too late.
try {
  const kept = localStorage.getItem("fixserver-theme");
  if (kept === "dark" || kept === "light") document.documentElement.dataset.theme = kept;
} catch {
  // no storage: the system's choice is taken
}

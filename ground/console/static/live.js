// Tells htmx that the fleet has changed: parts of a page with hx-trigger="changed from:body" then load anew.
"use strict";
(() => {
  const said = document.getElementById("live");
  if (!said || !window.EventSource) return;
  const source = new EventSource("/events");
  source.onopen = () => { said.textContent = "Updates itself."; };
  source.onerror = () => { said.textContent = "No connection to the console; trying again."; };
  source.addEventListener("changed", () => document.body.dispatchEvent(new CustomEvent("changed")));
  addEventListener("pagehide", () => source.close());
})();

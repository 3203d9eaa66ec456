// Keeps a page up to date that has a place for saying so (id="live"). Its parts with hx-trigger="changed from:body" load
// anew when the console has news, and twice a minute in any case: "12 s ago" grows old without news, too. A page that
// nobody sees holds no connection, of which browsers allow few to a host.
"use strict";
(() => {
  const TICK_MS = 30000, SPREAD_MS = 1500;
  const said = document.getElementById("live");
  if (!said || !window.EventSource) return;
  const isHidden = () => document.visibilityState === "hidden";
  let source = null, hasMissed = isHidden(), waiting = 0;

  const say = (text) => { if (said.textContent !== text) said.textContent = text; };
  const ask = () => {
    waiting = 0;
    hasMissed = false;
    document.body.dispatchEvent(new CustomEvent("changed"));
  };
  // All open pages hear the bell at once; they are not to ask at once.
  const askSoon = () => { waiting ||= setTimeout(ask, Math.random() * SPREAD_MS); };

  const open = () => {
    if (source || isHidden()) return;
    source = new EventSource("/events");
    source.onopen = () => {
      say("Updates itself.");
      if (hasMissed) ask();
    };
    source.onerror = () => {
      hasMissed = true;
      const isOver = source.readyState === EventSource.CLOSED;
      say(isOver ? "Updates itself twice a minute." : "No connection to the console; trying again.");
    };
    source.addEventListener("changed", askSoon);
  };
  const close = () => {
    source?.close();
    source = null;
    hasMissed = true;
  };
  const tick = () => {
    if (isHidden()) return;
    if (source?.readyState === EventSource.CLOSED) source = null;
    open();
    ask();
  };

  document.addEventListener("visibilitychange", () => isHidden() ? close() : open());
  addEventListener("pagehide", close);
  addEventListener("pageshow", open);
  for (const failure of ["htmx:response:error", "htmx:error"]) {
    document.addEventListener(failure, () => say("Could not be updated; trying again."));
  }
  document.addEventListener("htmx:after:swap", (event) => {
    const isNew = event.detail.ctx.response.status < 400;
    if (isNew && source?.readyState === EventSource.OPEN) say("Updates itself.");
  });
  setInterval(tick, TICK_MS);
  open();
})();

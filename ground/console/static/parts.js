// Says so where a part that a page loads with hx-trigger="load" could not be loaded; what stands there until then stays.
"use strict";
(() => {
  for (const failure of ["htmx:response:error", "htmx:error"]) {
    document.addEventListener(failure, (event) => {
      const part = event.target.closest?.('[hx-trigger="load"]');
      part?.querySelector(".absent")?.append(" This could not be loaded; load the page again.");
    });
  }
})();

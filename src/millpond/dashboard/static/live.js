// Replaces the parts of a page that have changed. Without it, or without a stream, the page stays as it came.
"use strict";
(() => {
  const url = document.body.dataset.liveUrl;
  const parts = document.querySelectorAll("[data-live][id]");
  if (!url || parts.length === 0 || !window.EventSource) return;

  const isInUse = (part) => {
    const selection = document.getSelection();
    return part.contains(document.activeElement) || part.querySelector("details[open]") !== null ||
      (selection !== null && !selection.isCollapsed && part.contains(selection.anchorNode));
  };
  const stream = new EventSource(url);
  let broken = 0;
  for (const { id } of parts) {
    stream.addEventListener(id, (event) => {
      const part = document.getElementById(id);
      if (part !== null && !isInUse(part)) part.outerHTML = event.data;
    });
  }
  stream.addEventListener("open", () => {
    clearTimeout(broken);
    broken = 0;
  });
  stream.addEventListener("error", () => {
    if (broken !== 0) return;
    broken = setTimeout(() => {
      const updated = document.getElementById("updated");
      if (updated === null) return;
      updated.className = "status error";
      updated.textContent = `not live since ${new Date().toISOString().slice(11, 19)}`;
    }, 10000);
  });
})();

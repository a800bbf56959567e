// Keeps a page up to date. Without this script the page is complete, and still.
"use strict";

(() => {
  const here = document.querySelector("nav [aria-current]");
  if (here) here.scrollIntoView({ block: "nearest", inline: "nearest" });

  const main = document.querySelector("main[data-live]");
  const status = document.getElementById("live");
  if (!main || !status || !window.EventSource) return;

  const url = "/live?at=" + encodeURIComponent(main.dataset.live);
  const parser = new DOMParser();
  let source = null;

  function say(state, text) {
    if (status.dataset.state === state) return;
    status.dataset.state = state;
    status.textContent = text;
  }

  const keyOf = (node) => (node.dataset && node.dataset.key) || node.id || null;

  // Make `old` like `fresh`, keeping elements, so that bars move and focus stays.
  function morph(old, fresh) {
    if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName) {
      old.replaceWith(fresh);
      return;
    }
    if (old.nodeType !== Node.ELEMENT_NODE) {
      if (old.data !== fresh.data) old.data = fresh.data;
      return;
    }
    for (const { name } of [...old.attributes]) {
      if (!fresh.hasAttribute(name)) old.removeAttribute(name);
    }
    for (const { name, value } of fresh.attributes) {
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
    if (old instanceof HTMLInputElement) return;
    morphChildren(old, fresh);
  }

  function morphChildren(old, fresh) {
    const known = new Map();
    for (const child of old.children) {
      if (keyOf(child)) known.set(keyOf(child), child);
    }
    let next = old.firstChild;
    for (const child of [...fresh.childNodes]) {
      const key = keyOf(child);
      const same = key ? known.get(key) : next && !keyOf(next) ? next : null;
      if (!same) {
        old.insertBefore(child, next);
        continue;
      }
      if (same === next) next = next.nextSibling;
      else old.insertBefore(same, next);
      morph(same, child);
    }
    while (next) {
      const gone = next;
      next = next.nextSibling;
      gone.remove();
    }
  }

  function take(parts) {
    for (const [name, html] of Object.entries(parts)) {
      const old = document.getElementById(name);
      const fresh = parser.parseFromString(html, "text/html").body.firstElementChild;
      if (old && fresh) morph(old, fresh);
    }
  }

  function open() {
    if (source) return;
    source = new EventSource(url);
    source.onopen = () => say("on", "Live");
    source.onmessage = (event) => {
      const parts = JSON.parse(event.data);
      if (parts.event !== "dropped") take(parts);
    };
    source.onerror = () => {
      if (source && source.readyState === EventSource.CLOSED) {
        say("off", "Not live: load the page anew");
      } else {
        say("lost", "Connection lost, trying again");
      }
    };
  }

  function close() {
    if (source) source.close();
    source = null;
  }

  // A page that nobody sees costs the server nothing, and its place in six connections is free.
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  window.addEventListener("pagehide", close);
  if (!document.hidden) open();
})();

// Keeps the queue fresh: the server says that something has changed, and the list is fetched anew as the server draws it.
"use strict";
const queue = document.getElementById("queue");
if (queue && "EventSource" in window) {
  const status = document.getElementById("live");
  const source = new EventSource("/live");
  const refresh = async () => {
    const answer = await fetch(queue.dataset.live, { credentials: "same-origin", redirect: "error" });
    if (!answer.ok) return;
    const held = document.activeElement && queue.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    queue.innerHTML = await answer.text();
    if (held) [...queue.querySelectorAll("a")].find((link) => link.getAttribute("href") === held)?.focus();
    const count = queue.querySelectorAll('[aria-label="Calls that wait for you"] > li').length;
    document.title = (count ? `(${count}) ` : "") + "Approvals · toolguard";
  };
  source.addEventListener("ready", () => { status.textContent = "Live: what is new appears by itself."; refresh(); });
  source.addEventListener("changed", refresh);
  source.addEventListener("error", () => { status.textContent = "Not connected; trying again."; });
}

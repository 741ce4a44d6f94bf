/* Parts of a page that renew themselves: [data-refresh=URL] takes the HTML found there, and rests in a hidden tab.
   A part that holds the focus or an open <details> is left alone: nobody is to lose their place. */

const parts = [...document.querySelectorAll("[data-refresh]")];

async function renew(part) {
  if (document.hidden || part.contains(document.activeElement) || part.querySelector("details[open]")) return;
  const answer = await fetch(part.dataset.refresh, { headers: { Accept: "text/html" } }).catch(() => null);
  if (!answer || !answer.ok) return;
  const html = await answer.text();
  if (html !== part.dataset.last) {
    part.dataset.last = html;
    part.innerHTML = html;
  }
}

for (const part of parts) {
  setInterval(() => renew(part), Number(part.dataset.every || 2000));
}
document.addEventListener("visibilitychange", () => parts.forEach(renew));

/* A form that takes a while says so at once. The page goes on to the result as it would without this file. */
for (const form of document.querySelectorAll("form[data-busy]")) {
  form.addEventListener("submit", () => {
    const button = form.querySelector("button:not([type=button])");
    button.setAttribute("aria-busy", "true");
    button.textContent = form.dataset.busy;
  });
}
addEventListener("pageshow", (event) => event.persisted && location.reload());
